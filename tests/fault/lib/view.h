/* What a directory holds that counts, as one text to compare: all but what each run makes anew. */
#ifndef FAULT_VIEW_H
#define FAULT_VIEW_H

#include <stdbool.h>
#include <stddef.h>

/* The files with their modes: the ledger, with all its events, wherever they stand, and then the
 * others, in the order of their names; DIR is the directory. Left out are lock files, generations,
 * bytes that were set aside, history that does not count, and temporary files, which are counted.
 * What is compressed is unpacked. A directory that is not there is empty. */
struct view {
    char *text, *ledger; /* everything, and the ledger alone */
    size_t temporaries;
};
struct view view_take(const char *directory);
void view_release(struct view *view);

/* The text with times, ids and sums that do not stand in `known` replaced by what stands for all
 * of their kind; ids are numbered as they first appear. The caller's. */
char *view_mask(const char *text, const char *known);

#define VIEW_ID_LENGTH 36
/* The next id in the text; NULL: none. */
const char *view_next_id(const char *text);

#endif

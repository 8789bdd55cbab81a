/* What a state says: its records, without what each run makes anew. */
#ifndef FAULT_SENSE_H
#define FAULT_SENSE_H

/* The sense of the state file in the directory, as a text to compare; of one that does not read:
 * "damaged". `before`: a text that holds the ids that were there. The caller's. */
char *sense_take(const char *directory, const char *before);

/* Every run of digits, of hexadecimal ones, and of what stands between those in times and ids, with
 * the unit of a time behind it, is one '#', and every run of blanks one; the zone, which the C
 * library leaves out where it has no memory, is nothing. In place. */
char *sense_mask(char *text);

#endif

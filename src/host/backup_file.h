/* What the parts of host/backup share. */
#ifndef HOST_BACKUP_FILE_H
#define HOST_BACKUP_FILE_H

#include "host/backup.h"

#define BACKUP_TEMPORARY ".tmp-" /* names that begin so are nobody's */
#define BACKUP_MANIFEST "manifest.json"
#define BACKUP_PLAIN "export.json"
#define BACKUP_PACKED "export.json.gz"

/* Prints a manifest. */
void backup_manifest_write(struct buffer *out, const struct backup *backup, const char *version);

/* A file or directory that was made gets the mode and, made by root, the owner of what it is in. */
void backup_give(const struct backups *backups, int fd);

/* For while something is made: a member of the group who is killed before a chmod would shut the
 * others out. The umask that it was is given back to umask(). */
static inline mode_t backup_umask(const struct backups *backups)
{
    return umask(backups->shared ? 0007 : 0077);
}

/* Renames within the directory, and never onto something. 0 or -1 with errno. */
int backup_rename(const struct backups *backups, const char *from, const char *to);

/* Removes a file or a directory and what is in it; no link is followed. EIO. */
int backup_remove(const struct backups *backups, const char *name, struct grid_error *err);

#endif

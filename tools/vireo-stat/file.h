/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the files of debugfs and procfs, and cutting them into pieces.  They
 * are taken as untrusted: their size, lines and numbers are bounded here, and
 * what is not printable ASCII becomes '?', so that no name can move a cursor
 * or end a quotation.
 */
#ifndef VIREO_STAT_FILE_H
#define VIREO_STAT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes of a file that are read; of a longer one only whole lines count. */
#define FILE_LIMIT (1 << 20)

/*
 * All of a regular file, NUL-terminated, in *@text, which the caller frees.
 * NULs count as newlines: /proc/PID/cmdline has an argument a line.  @mode,
 * which may be NULL, gets the file's mode.
 * Returns 0 or -errno; -EINVAL if it is no regular file.
 */
int file_read(int dir, const char *path, char **text, mode_t *mode);

/* Cuts the first line off *@rest; NULL at the end. */
char *file_line(char **rest);
/* Cuts the first word off *@rest, at blanks; NULL if there is none. */
char *file_word(char **rest);

/* A decimal number and nothing else, as far as 64 bits go. */
bool parse_number(const char *text, uint64_t *value);

/* A directory's entries, sorted; those with odd characters are left out. */
struct names {
	char **name;
	size_t count;
};

int names_read(int dir, const char *path, struct names *names);
void names_free(struct names *names);

#endif

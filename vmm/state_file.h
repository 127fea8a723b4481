/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a machine as a stream of bytes, in a file or on its way to
 * another host.  All integers are little-endian.
 *
 *   file      8 bytes "VIREOST\n", format (32 bits, 1), 0 (32 bits), sections
 *   section   "VSEC", version (16 bits), length of the name (16 bits), of the
 *             body (32 bits), CRC-32 of what comes before it, the name and the
 *             body; then name and body
 *   body      fields, as state.h has them
 *
 * The sections are "machine" (machine.h), one for each device and processor, by
 * its id, and "end", empty.
 */
#ifndef VIREO_STATE_FILE_H
#define VIREO_STATE_FILE_H

#include "state.h"

#define STATE_FORMAT 1
#define STATE_SECTION_NAME_MAX 63
#define STATE_SECTION_MAX (64U << 20)

struct state_section {
	char name[STATE_SECTION_NAME_MAX + 1];
	uint16_t version;
	struct state_in body; /* owned: state_section_free() */
};

/* 0 or -errno; nothing is said of which file it is. */
int state_file_begin(int fd, struct error *err);
int state_file_put(int fd, const char *name, uint16_t version,
		   const struct state_out *body, struct error *err);
int state_file_end(int fd, struct error *err);

/* What a stream begins with. */
int state_file_open(int fd, struct error *err);
/*
 * Reads the next section whole: 1; 0 at the end; -errno, with which section it
 * was as far as that is known.
 */
int state_file_next(int fd, struct state_section *section, struct error *err);
void state_section_free(struct state_section *section);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frames of GDB's remote serial protocol: $BODY#SUM, acknowledgements and
 * the byte that interrupts.  The client is not trusted; nothing here grows.
 */
#ifndef VIREO_GDB_PACKET_H
#define VIREO_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest body in either direction, as qSupported tells it. */
#define GDB_BODY_MAX 16384
/* A frame of such a body: each byte may take two. */
#define GDB_FRAME_MAX (2 * GDB_BODY_MAX + 4)

/* What a byte from the client has completed. */
enum gdb_input {
	GDB_INPUT_MORE,
	GDB_INPUT_PACKET, /* body and len are valid until the next byte */
	GDB_INPUT_BROKEN, /* a wrong checksum: it is to be sent again */
	GDB_INPUT_TOO_LONG,
	GDB_INPUT_RESEND,
	GDB_INPUT_INTERRUPT,
};

struct gdb_framer {
	enum {
		GDB_FRAMER_IDLE,
		GDB_FRAMER_BODY,
		GDB_FRAMER_SUM_HIGH,
		GDB_FRAMER_SUM_LOW,
	} state; /* all zeros: idle */
	uint8_t sum;
	int high;
	bool too_long;
	size_t len;
	char body[GDB_BODY_MAX + 1]; /* ends in a 0 that is not counted */
};

enum gdb_input gdb_framer_byte(struct gdb_framer *f, uint8_t byte);

/* A body that grows, and at GDB_BODY_MAX stops to. */
struct gdb_body {
	size_t len;
	char text[GDB_BODY_MAX];
};

void gdb_body_text(struct gdb_body *b, const char *text);
void gdb_body_hex(struct gdb_body *b, const void *bytes, size_t len);
/* A number in as few digits as it has. */
void gdb_body_number(struct gdb_body *b, uint64_t val);

/*
 * Frames a body, runs of a byte shortened; returns the length.  Of @binary
 * bodies what has a meaning in frames is escaped.
 */
size_t gdb_frame(const struct gdb_body *b, bool binary,
		 char frame[GDB_FRAME_MAX]);

int gdb_hex_digit(char c);
/* Takes a number of 1 to 16 digits off *p; false if there is none. */
bool gdb_take_number(const char **p, uint64_t *val);
/* Takes @c, if it is there. */
bool gdb_take(const char **p, char c);
/* Bytes of two digits each; false unless @text is exactly that. */
bool gdb_take_bytes(const char **p, uint8_t *bytes, size_t len);

#endif

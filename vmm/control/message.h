/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream of JSON values, cut into messages.
 *
 * Nothing stands between messages but white space, if that, so the end of one
 * is where its last bracket closes.  What is inside is not looked at: that is
 * the JSON parser's.
 */
#ifndef VIREO_CONTROL_MESSAGE_H
#define VIREO_CONTROL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#define MESSAGE_MAX (1U << 20) /* bytes */
#define MESSAGE_MAX_DEPTH 1024

enum message_state {
	MESSAGE_NONE, /* between two */
	MESSAGE_WORD, /* a number, true, or the like */
	MESSAGE_STRING,
	MESSAGE_NEST,
};

/* All zeros to begin with. */
struct message_scan {
	enum message_state state;
	bool quoted; /* NEST: in a string */
	bool escaped;
	unsigned int depth;
	size_t start; /* of the message */
	size_t pos;   /* as far as the scan has come */
};

enum message_result {
	MESSAGE_MORE,	 /* needs more bytes */
	MESSAGE_WHOLE,	 /* buf[scan->start, scan->pos) is one */
	MESSAGE_BROKEN,	 /* that cannot be, or become, one: drop it */
	MESSAGE_TOO_BIG, /* nor can what follows it be understood */
	MESSAGE_TOO_DEEP,
};

/*
 * Looks on in @buf, which has what it had at the last call, and more.  Unless
 * the result is MESSAGE_MORE, bytes before scan->pos are done with; the caller
 * drops them, and calls message_restart.
 */
enum message_result message_next(struct message_scan *scan, const char *buf,
				 size_t len);
void message_restart(struct message_scan *scan);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include "message.h"

#include <ctype.h>
#include <string.h>

void message_restart(struct message_scan *scan)
{
	memset(scan, 0, sizeof(*scan));
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("+-._", c));
}

/* In a string; true at its end.  *broken: no string has such a character. */
static bool in_string(struct message_scan *scan, char c, bool *broken)
{
	if ((unsigned char)c < 0x20) {
		*broken = true;
	} else if (scan->escaped) {
		scan->escaped = false;
	} else if (c == '\\') {
		scan->escaped = true;
	} else {
		return c == '"';
	}
	return false;
}

/* The first character of a message. */
static enum message_result begin(struct message_scan *scan, char c)
{
	scan->start = scan->pos;
	if (c == '{' || c == '[') {
		scan->state = MESSAGE_NEST;
		scan->depth = 1;
	} else if (c == '"') {
		scan->state = MESSAGE_STRING;
	} else if (is_word(c)) {
		scan->state = MESSAGE_WORD;
	} else {
		return MESSAGE_BROKEN;
	}
	return MESSAGE_MORE;
}

static enum message_result in_nest(struct message_scan *scan, char c)
{
	bool broken = false;

	if (scan->quoted) {
		scan->quoted = !in_string(scan, c, &broken);
		return broken ? MESSAGE_BROKEN : MESSAGE_MORE;
	}
	switch (c) {
	case '"':
		scan->quoted = true;
		break;
	case '{':
	case '[':
		if (++scan->depth > MESSAGE_MAX_DEPTH)
			return MESSAGE_TOO_DEEP;
		break;
	case '}':
	case ']':
		if (!--scan->depth)
			return MESSAGE_WHOLE;
		break;
	default:
		/* Not even between strings may there be a zero byte. */
		return c ? MESSAGE_MORE : MESSAGE_BROKEN;
	}
	return MESSAGE_MORE;
}

enum message_result message_next(struct message_scan *scan, const char *buf,
				 size_t len)
{
	enum message_result result;
	bool broken = false;
	char c;

	for (; scan->pos < len; scan->pos++) {
		c = buf[scan->pos];
		result = MESSAGE_MORE;
		switch (scan->state) {
		case MESSAGE_NONE:
			if (!is_space(c))
				result = begin(scan, c);
			break;
		case MESSAGE_WORD:
			/* What ends it is not part of it. */
			if (!is_word(c))
				return MESSAGE_WHOLE;
			break;
		case MESSAGE_STRING:
			if (in_string(scan, c, &broken))
				result = MESSAGE_WHOLE;
			else if (broken)
				result = MESSAGE_BROKEN;
			break;
		case MESSAGE_NEST:
			result = in_nest(scan, c);
			break;
		}
		if (result != MESSAGE_MORE) {
			scan->pos++;
			return result;
		}
		if (scan->state != MESSAGE_NONE &&
		    scan->pos - scan->start >= MESSAGE_MAX) {
			scan->pos++;
			return MESSAGE_TOO_BIG;
		}
	}
	return MESSAGE_MORE;
}

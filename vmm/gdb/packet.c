// SPDX-License-Identifier: GPL-2.0-or-later
#include "packet.h"

#include <string.h>

int gdb_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool gdb_take_number(const char **p, uint64_t *val)
{
	const char *start = *p;
	uint64_t v = 0;
	int digit;

	while ((digit = gdb_hex_digit(**p)) >= 0) {
		if (v >> 60)
			return false;
		v = v << 4 | (unsigned int)digit;
		(*p)++;
	}
	*val = v;
	return *p != start;
}

bool gdb_take(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

bool gdb_take_bytes(const char **p, uint8_t *bytes, size_t len)
{
	int high, low;
	size_t i;

	for (i = 0; i < len; i++) {
		high = gdb_hex_digit(**p);
		/* The 0 at the end is no digit: never past it. */
		low = high < 0 ? -1 : gdb_hex_digit((*p)[1]);
		if (low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
		*p += 2;
	}
	return true;
}

/* ---- from the client ---- */

static enum gdb_input begin(struct gdb_framer *f)
{
	f->state = GDB_FRAMER_BODY;
	f->sum = 0;
	f->len = 0;
	f->too_long = false;
	return GDB_INPUT_MORE;
}

static enum gdb_input between(struct gdb_framer *f, uint8_t byte)
{
	switch (byte) {
	case '$':
		return begin(f);
	case '-':
		return GDB_INPUT_RESEND;
	case 3:
		return GDB_INPUT_INTERRUPT;
	default:
		return GDB_INPUT_MORE; /* '+', or noise */
	}
}

static enum gdb_input end(struct gdb_framer *f, uint8_t byte)
{
	int low = gdb_hex_digit((char)byte);

	f->state = GDB_FRAMER_IDLE;
	if (f->high < 0 || low < 0 || (f->high << 4 | low) != f->sum)
		return GDB_INPUT_BROKEN;
	if (f->too_long)
		return GDB_INPUT_TOO_LONG;
	f->body[f->len] = '\0';
	return GDB_INPUT_PACKET;
}

enum gdb_input gdb_framer_byte(struct gdb_framer *f, uint8_t byte)
{
	switch (f->state) {
	case GDB_FRAMER_IDLE:
		return between(f, byte);
	case GDB_FRAMER_BODY:
		if (byte == '$')
			return begin(f); /* the last one was cut off */
		if (byte == '#') {
			f->state = GDB_FRAMER_SUM_HIGH;
			return GDB_INPUT_MORE;
		}
		f->sum = (uint8_t)(f->sum + byte);
		if (f->len < GDB_BODY_MAX)
			f->body[f->len++] = (char)byte;
		else
			f->too_long = true;
		return GDB_INPUT_MORE;
	case GDB_FRAMER_SUM_HIGH:
		f->high = gdb_hex_digit((char)byte);
		f->state = GDB_FRAMER_SUM_LOW;
		return GDB_INPUT_MORE;
	default:
		return end(f, byte);
	}
}

/* ---- to the client ---- */

void gdb_body_text(struct gdb_body *b, const char *text)
{
	size_t len = strlen(text);

	if (len > sizeof(b->text) - b->len)
		len = sizeof(b->text) - b->len;
	memcpy(b->text + b->len, text, len);
	b->len += len;
}

void gdb_body_hex(struct gdb_body *b, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = bytes;

	for (; len && b->len + 2 <= sizeof(b->text); len--, p++) {
		b->text[b->len++] = digits[*p >> 4];
		b->text[b->len++] = digits[*p & 15];
	}
}

void gdb_body_number(struct gdb_body *b, uint64_t val)
{
	char text[17];
	char *p = text + sizeof(text) - 1;

	*p = '\0';
	do {
		*--p = "0123456789abcdef"[val & 15];
		val >>= 4;
	} while (val);
	gdb_body_text(b, p);
}

/* How many more of the same byte follow @i, at most what one count tells. */
static size_t run_length(const struct gdb_body *b, size_t i)
{
	size_t n = 0;

	while (n < 97 && i + 1 + n < b->len && b->text[i + 1 + n] == b->text[i])
		n++;
	/* A count of 6 or 7 would look like # or $. */
	return n == 6 || n == 7 ? 5 : n;
}

size_t gdb_frame(const struct gdb_body *b, bool binary,
		 char frame[GDB_FRAME_MAX])
{
	size_t len = 0, i, more;
	uint8_t sum = 0;
	char c;

	frame[len++] = '$';
	for (i = 0; i < b->len; i++) {
		c = b->text[i];
		if (binary && c && strchr("#$}*", c)) {
			frame[len++] = '}';
			frame[len++] = (char)(c ^ 0x20);
			continue;
		}
		frame[len++] = c;
		more = run_length(b, i);
		if (more >= 3) {
			frame[len++] = '*';
			frame[len++] = (char)(more + 29);
			i += more;
		}
	}
	for (i = 1; i < len; i++)
		sum = (uint8_t)(sum + (uint8_t)frame[i]);
	frame[len++] = '#';
	frame[len++] = "0123456789abcdef"[sum >> 4];
	frame[len++] = "0123456789abcdef"[sum & 15];
	return len;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "error.h"
#include "options_table.h"

/* ---- names ---- */

const struct opt *opt_find(const struct opt *table, const char *name)
{
	const struct opt *o;

	for (o = table; o->name; o++)
		if (!strcmp(o->name, name))
			return o;
	return NULL;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Levenshtein distance; @known is at most OPT_NAME_MAX bytes long. */
static unsigned int distance(const char *given, const char *known)
{
	unsigned int row[OPT_NAME_MAX + 1], len = strlen(known);
	unsigned int i, j, diag, up;

	for (j = 0; j <= len; j++)
		row[j] = j;
	for (i = 0; given[i]; i++) {
		diag = row[0];
		row[0] = i + 1;
		for (j = 1; j <= len; j++) {
			up = row[j];
			row[j] = min3(up + 1, row[j - 1] + 1,
				      diag + (given[i] != known[j - 1]));
			diag = up;
		}
	}
	return row[len];
}

const char *opt_nearest(const struct opt *table, const char *dashes,
			const char *given)
{
	size_t len = strlen(given);
	const struct opt *o;
	const char *best = NULL;
	unsigned int d, least;

	if (len > OPT_NAME_MAX)
		return NULL;
	/* Something of the name must be right; the beginning says most. */
	least = len > 4 ? len / 2 + 1 : 3;
	for (o = table; o->name; o++) {
		/* --config and the like are no keys of JSON. */
		if (!*dashes && o->kind >= OPT_FLAG)
			continue;
		d = len && !strncmp(o->name, given, len) ?
			    1 :
			    distance(given, o->name);
		if (d < least && d < strlen(o->name)) {
			least = d;
			best = o->name;
		}
	}
	return best;
}

int opt_unknown(const struct opt *table, const char *what, const char *dashes,
		const char *given, struct error *err)
{
	const char *near = opt_nearest(table, dashes, given);

	if (near)
		return error_set(err, EINVAL,
				 "unknown %s %s%.64s (did you mean %s%s?)",
				 what, dashes, given, dashes, near);
	return error_set(err, EINVAL,
			 "unknown %s %s%.64s (see vireo run --help)", what,
			 dashes, given);
}

/* ---- values ---- */

const char *opt_next_word(const char **words, size_t *len)
{
	const char *word = *words;

	if (!*word)
		return NULL;
	*len = strcspn(word, "|");
	*words = word + *len + (word[*len] == '|');
	return word;
}

/* The index of @text in @words, or -1. */
static int find_word(const char *words, const char *text)
{
	const char *word, *colon;
	size_t len;
	int i;

	for (i = 0; (word = opt_next_word(&words, &len)); i++) {
		colon = memchr(word, ':', len);
		if (colon) {
			len = colon + 1 - word;
			if (!strncmp(word, text, len) && text[len])
				return i;
		} else if (strlen(text) == len && !strncmp(word, text, len)) {
			return i;
		}
	}
	return -1;
}

static int bad_word(const char *words, struct error *err)
{
	char list[96] = "";
	const char *word, *sep = "";
	size_t len, used = 0;

	while ((word = opt_next_word(&words, &len)) && used < sizeof(list)) {
		used += snprintf(list + used, sizeof(list) - used, "%s%.*s",
				 sep, (int)len, word);
		sep = strchr(words, '|') ? ", " : " or ";
	}
	return error_set(err, EINVAL, "must be %s", list);
}

/* Digits only; what follows them is at *end.  False: none, or too many. */
static bool parse_digits(const char *text, const char **end, uint64_t *val)
{
	uint64_t v = 0;

	*end = text;
	for (; isdigit((unsigned char)**end); (*end)++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, **end - '0', &v))
			return false;
	*val = v;
	return *end != text;
}

/* A text of a size; exact, since all limits are powers of two. */
static const char *size_text(uint64_t bytes, char buf[24])
{
	const char *unit = "KMGT";

	for (bytes >>= 10; bytes >= 1024 && unit[1]; bytes >>= 10)
		unit++;
	snprintf(buf, 24, "%llu%c", (unsigned long long)bytes, *unit);
	return buf;
}

static int parse_size(const struct opt *o, const char *text, uint64_t *out,
		      struct error *err)
{
	static const char units[] = "KMGT";
	char lo[24], hi[24];
	const char *end, *unit;
	unsigned int shift = 20;
	uint64_t val;

	if (!isdigit((unsigned char)*text))
		goto malformed;
	if (!parse_digits(text, &end, &val))
		goto range;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			goto malformed;
		shift = 10 * (unit - units + 1);
	}
	if (val > o->max >> shift || val << shift < o->min)
		goto range;
	if ((val << shift) % o->min)
		return error_set(err, EINVAL, "must be a multiple of %s",
				 size_text(o->min, lo));
	*out = val << shift;
	return 0;

malformed:
	return error_set(err, EINVAL,
			 "must be a number with K, M, G or T (none: MiB)");
range:
	return error_set(err, EINVAL, "must be %s to %s", size_text(o->min, lo),
			 size_text(o->max, hi));
}

/* @or says what else would be accepted. */
static int parse_uint(const struct opt *o, const char *text, unsigned int *out,
		      const char * or, struct error *err)
{
	const char *end;
	uint64_t num;

	if (!parse_digits(text, &end, &num) || *end || num < o->min ||
	    num > o->max)
		return error_set(err, EINVAL, "must be %s%u to %u", or,
				 (unsigned int)o->min, (unsigned int)o->max);
	*out = num;
	return 0;
}

/* As 01234567-89ab-cdef-0123-456789abcdef. */
static bool is_uuid(const char *text)
{
	unsigned int i;

	for (i = 0; i < CONFIG_UUID_LEN; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
		} else if (!isxdigit((unsigned char)text[i])) {
			return false;
		}
	}
	return !text[i];
}

static int check_string(const struct opt *o, const char *text,
			struct error *err)
{
	const char *p;

	if (o->words && find_word(o->words, text) < 0)
		return bad_word(o->words, err);
	if (o->min && !*text)
		return error_set(err, EINVAL, "must not be empty");
	if (o->max && strlen(text) > o->max)
		return error_set(err, EINVAL, "must have at most %u characters",
				 (unsigned int)o->max);
	for (p = text; o->printable && *p; p++)
		if (!isascii((unsigned char)*p) || !isprint((unsigned char)*p))
			return error_set(err, EINVAL,
					 "must be printable ASCII");
	if (o->uuid && !is_uuid(text))
		return error_set(err, EINVAL,
				 "must be a UUID: hexadecimal digits, 8-4-4-4-12");
	return 0;
}

static int set_string(const struct opt *o, char **member, const char *text,
		      struct error *err)
{
	char *copy = strdup(text), *p;

	if (!copy)
		return error_sys(err, ENOMEM, "cannot keep an option");
	for (p = copy; o->uuid && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	free(*member);
	*member = copy;
	return 0;
}

int opt_set(const struct opt *o, void *base, const char *text,
	    struct error *err)
{
	void *member = (char *)base + o->offset;
	int ret, word;

	if (!text && o->kind != OPT_BOOL && o->kind != OPT_COUNT &&
	    o->kind != OPT_FLAG)
		return error_set(err, EINVAL, "needs a value");
	switch (o->kind) {
	case OPT_STRING:
		ret = check_string(o, text, err);
		return ret ? ret : set_string(o, member, text, err);
	case OPT_UINT:
		ret = parse_uint(o, text, member, "", err);
		if (!ret && o->present)
			*(bool *)((char *)base + o->present) = true;
		return ret;
	case OPT_SIZE:
		return parse_size(o, text, member, err);
	case OPT_ENUM:
		word = find_word(o->words, text);
		if (word < 0)
			return bad_word(o->words, err);
		*(unsigned int *)member = word;
		return 0;
	case OPT_COUNT:
		word = text ? find_word("off|on", text) : 1;
		if (word < 0)
			return parse_uint(o, text, member, "on, off or ", err);
		*(unsigned int *)member = word ? UINT_MAX : 0;
		return 0;
	default: /* OPT_BOOL */
		word = text ? find_word("off|on", text) : 1;
		if (word < 0)
			return bad_word("on|off", err);
		*(bool *)member = word;
		return 0;
	}
}

int opt_set_default(const struct opt *o, void *base, struct error *err)
{
	return o->def ? opt_set(o, base, o->def, err) : 0;
}

void opt_free_strings(const struct opt *table, void *base)
{
	const struct opt *o;
	char **member;

	for (o = table; o->name; o++) {
		if (o->kind != OPT_STRING)
			continue;
		member = (char **)((char *)base + o->offset);
		free(*member);
		*member = NULL;
	}
}

/* ---- groups ---- */

static unsigned int *list_count(const struct opt *o, struct config *cfg)
{
	return (unsigned int *)((char *)cfg + o->count);
}

static void *list_elem(const struct opt *o, struct config *cfg, unsigned int i)
{
	return (char *)cfg + o->offset + (size_t)i * o->stride;
}

void opt_list_clear(const struct opt *o, struct config *cfg)
{
	unsigned int *count = list_count(o, cfg);

	while (*count)
		opt_free_strings(o->sub, list_elem(o, cfg, --*count));
}

int opt_open_group(const struct opt *o, struct config *cfg, void **elem,
		   struct error *err)
{
	const struct opt *sub;
	unsigned int *count;
	int ret = 0;

	if (o->present)
		*(bool *)((char *)cfg + o->present) = true;
	if (!o->stride) {
		*elem = (char *)cfg + o->offset;
		return 0;
	}
	count = list_count(o, cfg);
	if (*count == o->limit)
		return error_set(err, EINVAL, "must be given at most %u times",
				 o->limit);
	*elem = list_elem(o, cfg, (*count)++);
	memset(*elem, 0, o->stride);
	for (sub = o->sub; !ret && sub->name; sub++)
		ret = opt_set_default(sub, *elem, err);
	return ret;
}

int opt_check_required(const struct opt *table, const char *dashes,
		       const void *base, struct error *err)
{
	const struct opt *o;

	for (o = table; o->name; o++)
		if (o->required &&
		    !*(char *const *)((const char *)base + o->offset))
			return error_set(err, EINVAL, "%s%s %s is missing",
					 dashes, o->name, o->metavar);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option table and what the command line and JSON share: names, values
 * and groups.  Private to the options*.c files.
 *
 * A value, wherever it comes from, is a text that opt_set() checks against
 * its row of the table and stores.
 *
 * Errors are put together from the inside out: opt_set() says what is
 * accepted, and each caller puts before it what was given and where.
 */
#ifndef VIREO_OPTIONS_TABLE_H
#define VIREO_OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct error;

#define OPT_NAME_MAX 24 /* bytes of the longest name, at least */

enum opt_kind {
	OPT_STRING, /* char *, min to max bytes long, one of words if any */
	OPT_UINT,   /* unsigned int, min to max */
	OPT_SIZE,   /* uint64_t in bytes, min to max, a multiple of min */
	OPT_ENUM,   /* the index of the word in words */
	OPT_BOOL,   /* bool: on, off; the name alone means on */
	OPT_COUNT,  /* unsigned int: off (0), on (UINT_MAX), or min to max */
	OPT_GROUP,  /* a struct whose members are in sub */
	/* From here on, what is not part of a configuration. */
	OPT_FLAG, /* bool: the name alone means on */
	OPT_CONFIG,
	OPT_HELP,
};

struct opt {
	const char *name;    /* NULL ends a table */
	const char *section; /* heading before it in the help */
	const char *metavar;
	const char *help;
	const char *def;   /* the default as a text */
	const char *words; /* "a|b"; "a:PATH" is a: and anything after it */
	const struct opt *sub;
	uint64_t min;
	uint64_t max;	 /* 0: no limit to a string's length */
	uint32_t offset; /* in struct config, or in the group's struct */
	/* GROUP, UINT: offset of the bool that it is given, or 0. */
	uint16_t present;
	uint8_t kind;
	bool required;
	bool printable; /* STRING: ASCII that can be shown to anybody */
	bool uuid;	/* STRING: such a number, kept in lower case */
	/* GROUP that may be repeated: array at offset, its length at count. */
	uint16_t stride;
	uint16_t count;
	uint16_t limit;
};

/* Up to 32 rows. */
extern const struct opt vm_options[];

/* The next word of "a|b" at *words, and its length; NULL at the end. */
const char *opt_next_word(const char **words, size_t *len);

/* NULL if @table has no such row. */
const struct opt *opt_find(const struct opt *table, const char *name);

/* The name of @table that was probably meant by @given, or NULL. */
const char *opt_nearest(const struct opt *table, const char *dashes,
			const char *given);

/*
 * The error that @given is no name in @table; names the one probably meant.
 * @what is "option" or "key", @dashes stands before names.  Returns -EINVAL.
 */
int opt_unknown(const struct opt *table, const char *what, const char *dashes,
		const char *given, struct error *err);

/*
 * Any kind but a group, in the struct at @base.  @text NULL: the name was
 * given without a value.
 */
int opt_set(const struct opt *o, void *base, const char *text,
	    struct error *err);
int opt_set_default(const struct opt *o, void *base, struct error *err);

/* Frees and forgets the strings of the struct at @base. */
void opt_free_strings(const struct opt *table, void *base);

/* Empties the array of a group that may be repeated. */
void opt_list_clear(const struct opt *o, struct config *cfg);

/* The struct of a group; of a repeated one, a new one with its defaults. */
int opt_open_group(const struct opt *o, struct config *cfg, void **elem,
		   struct error *err);

/* -EINVAL unless everything that @table requires is there. */
int opt_check_required(const struct opt *table, const char *dashes,
		       const void *base, struct error *err);

#endif

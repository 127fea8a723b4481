/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of making an image, for more than one subcommand. */
#ifndef VIREO_CLI_IMG_OPTIONS_H
#define VIREO_CLI_IMG_OPTIONS_H

#include <stddef.h>

#include "img.h"

struct json_t;

#define IMG_CREATE_STRING(NAME, member, WORDS, BASE)                 \
	{                                                            \
		.name = NAME, .kind = OPT_STRING, .words = WORDS,    \
		.offset = BASE + offsetof(struct img_create, member) \
	}

#define IMG_CREATE_BOOL(NAME, member, BASE)                          \
	{                                                            \
		.name = NAME, .kind = OPT_BOOL, .def = "off",        \
		.offset = BASE + offsetof(struct img_create, member) \
	}

/* Rows of a table whose struct has a struct img_create at byte BASE. */
#define IMG_CREATE_OPTIONS(FORMAT, BASE)                                       \
	{ .name = FORMAT,                                                      \
	  .kind = OPT_STRING,                                                  \
	  .words = "raw|qcow2",                                                \
	  .offset = BASE + offsetof(struct img_create, format) },              \
		IMG_CREATE_STRING("cluster-size", cluster_size, NULL, BASE),   \
		IMG_CREATE_STRING("compat", compat, "0.10|1.1", BASE),         \
		IMG_CREATE_STRING("compression", compression, "zlib|zstd",     \
				  BASE),                                       \
		{ .name = "refcount-bits",                                     \
		  .kind = OPT_UINT,                                            \
		  .min = 1,                                                    \
		  .max = 64,                                                   \
		  .offset =                                                    \
			  BASE + offsetof(struct img_create, refcount_bits) }, \
		IMG_CREATE_BOOL("lazy-refcounts", lazy, BASE),                 \
		IMG_CREATE_BOOL("force", force, BASE),                         \
		IMG_CREATE_STRING("backing", backing, NULL, BASE),             \
		IMG_CREATE_STRING("backing-format", backing_format,            \
				  "raw|qcow2", BASE)

struct json_t *img_snapshots_json(struct qcow2 *q);
/* 0 or -errno; nothing if there are none. */
int img_snapshots_table(struct qcow2 *q, const char *indent);

#endif

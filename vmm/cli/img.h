/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of `vireo img` share. */
#ifndef VIREO_CLI_IMG_H
#define VIREO_CLI_IMG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../block/block.h"
#include "../block/qcow2.h"
#include "../options_table.h"
#include "commands.h"

struct error;
struct json_t;

/* How to open an image. */
struct img_open {
	const char *path;
	const char *format; /* NULL: as the name and the contents agree on */
	bool write;
	bool shared;
	bool no_backing;
	bool for_repair;
	bool probe; /* the contents decide: who only looks can believe them */
};

int img_open(struct block **block, const struct img_open *how,
	     struct error *err);

/* @format, or else what a machine would take the file for by its name. */
const char *img_format(const char *path, const char *format);

/* "10G", bytes without a unit; a multiple of 512. */
int img_parse_size(const char *text, uint64_t *size, struct error *err);

/* What to make; the struct of img_create_options. */
struct img_create {
	char *format;
	char *backing;
	char *backing_format;
	char *cluster_size;
	char *compat;
	char *compression;
	unsigned int refcount_bits;
	bool lazy;
	bool force;
};

/* An empty image of @size bytes; nothing is left if this fails. */
int img_make(const char *path, const struct img_create *how, uint64_t size,
	     struct error *err);

/* ---- img_io.c: requests, one after the other ---- */

struct img_io {
	struct loop *loop;
	struct aio *aio;
};

/* For @block, and others of the same kind. */
int img_io_open(struct img_io *io, const struct block *block,
		struct error *err);
void img_io_close(struct img_io *io);
/* @buf is for READ and WRITE. */
int img_io(struct img_io *io, struct block *block, enum block_op op,
	   uint64_t offset, uint64_t len, void *buf);

/* ---- the subcommands of img ---- */

int img_info(int argc, char **argv, struct error *err);
int img_check(int argc, char **argv, struct error *err);
int img_create(int argc, char **argv, struct error *err);
int img_convert(int argc, char **argv, struct error *err);
int img_resize(int argc, char **argv, struct error *err);
int img_snapshot(int argc, char **argv, struct error *err);

/* cli_parse for them: -EINVAL if fewer than @least words. */
int img_parse(int argc, char **argv, const struct opt *options, void *base,
	      const char **words, int least, int most, struct error *err);
/* Prints and frees. */
int img_print_json(struct json_t *value, struct error *err);

#endif

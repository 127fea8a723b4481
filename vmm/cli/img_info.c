// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo img info, check. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../error.h"
#include "img.h"
#include "img_options.h"
#include "summary.h"

/* ---- info -------------------------------------------------------------------- */

struct info_args {
	char *format;
	bool json;
	bool share;
};

static const struct opt info_options[] = {
	{ .name = "force-share",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct info_args, share) },
	{ .name = "format",
	  .kind = OPT_STRING,
	  .words = "raw|qcow2",
	  .offset = offsetof(struct info_args, format) },
	{ .name = "json",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct info_args, json) },
	{ 0 }
};

static uint64_t bytes_on_disk(const struct block *block)
{
	struct stat st;

	return fstat(block->fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

static json_t *specific(const struct qcow2_info *info)
{
	json_t *data = json_pack("{s:s, s:i}", "compat",
				 info->version < 3 ? "0.10" : "1.1",
				 "refcount-bits", (int)info->refcount_bits);

	if (info->version >= 3) {
		json_object_set_new(data, "lazy-refcounts",
				    json_boolean(info->lazy));
		json_object_set_new(data, "corrupt",
				    json_boolean(info->corrupt));
		json_object_set_new(data, "extended-l2", json_false());
	}
	json_object_set_new(data, "compression-type",
			    json_string(info->zstd ? "zstd" : "zlib"));
	return json_pack("{s:s, s:o}", "type", "qcow2", "data", data);
}

static int info_json(struct block *block, const struct qcow2_info *info,
		     struct error *err)
{
	struct qcow2 *q = qcow2_of(block);
	json_t *obj = json_pack("{s:s*, s:s, s:I, s:I, s:b}", "filename",
				block->path, "format", block->format->name,
				"virtual-size", (json_int_t)block_size(block),
				"actual-size", (json_int_t)bytes_on_disk(block),
				"dirty-flag", q ? info->dirty : 0);

	if (q) {
		json_object_set_new(obj, "cluster-size",
				    json_integer(info->cluster_size));
		json_object_set_new(obj, "format-specific", specific(info));
		if (info->backing)
			json_object_set_new(obj, "backing-filename",
					    json_string(info->backing));
		if (info->backing_format)
			json_object_set_new(obj, "backing-filename-format",
					    json_string(info->backing_format));
		if (info->nr_snapshots)
			json_object_set_new(obj, "snapshots",
					    img_snapshots_json(q));
	}
	return img_print_json(obj, err);
}

/* Names in an image are anybody's: none drives a terminal. */
static void show(const char *what, const char *text)
{
	printf("%-16s", what);
	for (; *text; text++)
		putchar(*text < ' ' || *text > '~' ? '?' : *text);
	putchar('\n');
}

static int info_text(struct block *block, const struct qcow2_info *info)
{
	char text[64], bytes[24];

	show("image:", block->path);
	show("format:", block->format->name);
	text_bytes(bytes, block_size(block));
	snprintf(text, sizeof(text), "%s (%" PRIu64 " bytes)", bytes,
		 block_size(block));
	show("virtual size:", text);
	text_bytes(bytes, bytes_on_disk(block));
	show("on disk:", bytes);
	if (!qcow2_of(block))
		return 0;
	text_bytes(bytes, info->cluster_size);
	snprintf(text, sizeof(text), "%u", info->cluster_size);
	show("cluster size:", info->cluster_size % 1024 ? text : bytes);
	show("compat:", info->version < 3 ? "0.10" : "1.1");
	snprintf(text, sizeof(text), "%u bits%s", info->refcount_bits,
		 info->lazy ? ", lazy" : "");
	show("refcounts:", text);
	show("compression:", info->zstd ? "zstd" : "zlib");
	if (info->backing)
		show("backing file:", info->backing);
	if (info->backing)
		show("backing format:", info->backing_format ?
						info->backing_format :
						"not recorded");
	if (info->corrupt)
		show("state:", "corrupt (vireo img check)");
	else if (info->dirty)
		show("state:", "not closed; refcounts are repaired when it is "
			       "opened for writing");
	if (!info->nr_snapshots)
		return 0;
	puts("snapshots:");
	return img_snapshots_table(qcow2_of(block), "    ");
}

int img_info(int argc, char **argv, struct error *err)
{
	struct info_args args = { 0 };
	struct qcow2_info info = { 0 };
	struct img_open open = { .no_backing = true, .probe = true };
	struct block *block;
	int rc;

	rc = img_parse(argc, argv, info_options, &args, &open.path, 1, 1, err);
	if (rc < 0) {
		opt_free_strings(info_options, &args);
		return STATUS_USAGE;
	}
	open.format = args.format;
	open.shared = args.share;
	rc = img_open(&block, &open, err);
	opt_free_strings(info_options, &args);
	if (rc)
		return STATUS_ERROR;
	if (qcow2_of(block))
		qcow2_info(qcow2_of(block), &info);
	rc = args.json ? info_json(block, &info, err) : info_text(block, &info);
	block_close(block);
	return rc ? STATUS_ERROR : STATUS_OFF;
}

/* ---- check ------------------------------------------------------------------- */

struct check_args {
	char *repair;
	bool json;
	bool share;
};

static const struct opt check_options[] = {
	{ .name = "force-share",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct check_args, share) },
	{ .name = "json",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct check_args, json) },
	{ .name = "repair",
	  .kind = OPT_STRING,
	  .words = "leaks|all",
	  .offset = offsetof(struct check_args, repair) },
	{ 0 }
};

#define TELL_MAX 20

static void tell(void *opaque, const char *text)
{
	unsigned int *told = opaque;

	if (*told < TELL_MAX)
		printf("%s\n", text);
	else if (*told == TELL_MAX)
		puts("...");
	++*told;
}

static int check_json(const char *path, const struct qcow2_check *c,
		      struct error *err)
{
	json_t *obj =
		json_pack("{s:s*, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
			  "filename", path, "format", "qcow2", "check-errors",
			  (json_int_t)c->errors, "image-end-offset",
			  (json_int_t)c->end, "total-clusters",
			  (json_int_t)c->total, "allocated-clusters",
			  (json_int_t)c->allocated, "fragmented-clusters",
			  (json_int_t)c->fragmented, "compressed-clusters",
			  (json_int_t)c->compressed);
	const struct {
		const char *key;
		uint64_t n;
	} found[] = {
		{ "corruptions", c->corruptions },
		{ "leaks", c->leaks },
		{ "corruptions-fixed", c->corruptions_fixed },
		{ "leaks-fixed", c->leaks_fixed },
	};
	size_t i;

	for (i = 0; i < sizeof(found) / sizeof(found[0]); i++)
		if (found[i].n)
			json_object_set_new(obj, found[i].key,
					    json_integer(
						    (json_int_t)found[i].n));
	return img_print_json(obj, err);
}

static void check_text(const struct qcow2_check *c)
{
	if (c->corruptions_fixed || c->leaks_fixed)
		printf("repaired: %" PRIu64 " errors, %" PRIu64
		       " leaked clusters\n",
		       c->corruptions_fixed, c->leaks_fixed);
	if (c->leaks)
		printf("%" PRIu64
		       " leaked clusters: they waste space and do no harm "
		       "(--repair leaks gives them back)\n",
		       c->leaks);
	if (!c->corruptions && !c->errors && !c->leaks)
		puts("no errors");
	printf("%" PRIu64 " of %" PRIu64 " clusters are allocated, %" PRIu64
	       " fragmented, %" PRIu64 " compressed; the image ends at %" PRIu64
	       "\n",
	       c->allocated, c->total, c->fragmented, c->compressed, c->end);
}

static int check(const char *path, const struct check_args *args,
		 struct qcow2_check *c, struct error *err)
{
	struct img_open open = {
		.path = path,
		.format = "qcow2",
		.write = args->repair,
		.shared = args->share && !args->repair,
		.no_backing = true,
		.for_repair = true,
	};
	enum qcow2_repair repair = !args->repair ? QCOW2_NO_REPAIR :
				   !strcmp(args->repair, "all") ?
						   QCOW2_REPAIR_ALL :
						   QCOW2_REPAIR_LEAKS;
	struct block *block;
	int rc = img_open(&block, &open, err);

	if (rc)
		return rc;
	rc = qcow2_check(qcow2_of(block), repair, c, err);
	if (rc)
		error_prefix(err, "disk image %s", path);
	block_close(block);
	if (rc)
		return rc;
	if (args->json)
		rc = check_json(path, c, err);
	else
		check_text(c);
	return rc;
}

int img_check(int argc, char **argv, struct error *err)
{
	struct check_args args = { 0 };
	struct qcow2_check c = { 0 };
	unsigned int told = 0;
	const char *path;
	int rc;

	rc = img_parse(argc, argv, check_options, &args, &path, 1, 1, err);
	if (rc < 0) {
		opt_free_strings(check_options, &args);
		return STATUS_USAGE;
	}
	if (!args.json) {
		c.tell = tell;
		c.opaque = &told;
	}
	rc = check(path, &args, &c, err);
	opt_free_strings(check_options, &args);
	if (rc)
		return STATUS_ERROR;
	if (c.corruptions || c.errors) {
		error_set(err, EIO,
			  "disk image %s has %" PRIu64
			  " errors (make a copy, then --repair all)",
			  path, c.corruptions + c.errors);
		return STATUS_ERROR;
	}
	if (c.leaks) {
		error_set(err, EIO,
			  "disk image %s has %" PRIu64
			  " leaked clusters, and is otherwise sound",
			  path, c.leaks);
		return STATUS_LEAKS;
	}
	return STATUS_OFF;
}

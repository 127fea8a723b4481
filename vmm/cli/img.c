// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo img: disk images, whether a machine uses them or not. */
#include "img.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"

#define CREATE_OPTIONS                                                         \
	"[--cluster-size SIZE] [--compat 0.10|1.1] [--compression zlib|zstd] " \
	"[--refcount-bits N] [--lazy-refcounts] [--force]"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv, struct error *err);
	const char *synopsis;
} subcommands[] = {
	{ "check", img_check,
	  "[--repair leaks|all] [--force-share] [--json] IMAGE" },
	{ "convert", img_convert,
	  "[--format raw|qcow2] [--to raw|qcow2] [--compress] [--progress] "
	  "[--force-share] " CREATE_OPTIONS " FROM TO" },
	{ "create", img_create,
	  "[--format raw|qcow2] [--backing FILE --backing-format raw|qcow2] " CREATE_OPTIONS
	  " IMAGE [SIZE]" },
	{ "info", img_info,
	  "[--format raw|qcow2] [--force-share] [--json] IMAGE" },
	{ "resize", img_resize,
	  "[--format raw|qcow2] [--shrink] IMAGE [+|-]SIZE" },
	{ "snapshot", img_snapshot,
	  "[--create NAME|--apply NAME|--delete NAME|[--force-share] [--json]] "
	  "IMAGE" },
};

#define NR_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

int cli_img(int argc, char **argv, struct error *err)
{
	size_t i;

	for (i = 0; argc && i < NR_SUBCOMMANDS; i++) {
		if (strcmp(argv[0], subcommands[i].name))
			continue;
		if (argc > 1 && !strcmp(argv[1], "--help")) {
			printf("Usage: vireo img %s %s\n\nSee vireo-img(1).\n",
			       argv[0], subcommands[i].synopsis);
			return STATUS_OFF;
		}
		return subcommands[i].run(argc - 1, argv + 1, err);
	}
	error_set(err, EINVAL,
		  "img wants check, convert, create, info, resize or snapshot");
	return STATUS_USAGE;
}

/* The short options of qemu-img that mean the same here. */
static const struct {
	const char *text;
	const char *means;
} shorts[] = {
	{ "-b", "--backing" },
	{ "-c", "--compress" },
	{ "-F", "--backing-format" },
	{ "-f", "--format" },
	{ "-O", "--to" },
	{ "-p", "--progress" },
	{ "-r", "--repair" },
	{ "-U", "--force-share" },
};

int img_parse(int argc, char **argv, const struct opt *options, void *base,
	      const char **words, int least, int most, struct error *err)
{
	size_t s;
	int i, count;

	for (i = 0; i < argc; i++)
		for (s = 0; s < sizeof(shorts) / sizeof(shorts[0]); s++)
			if (!strcmp(argv[i], shorts[s].text))
				argv[i] = (char *)shorts[s].means;
	count = cli_parse(argc, argv, options, base, words, 0, most, err);
	if (count >= 0 && count < least)
		return error_set(err, EINVAL,
				 "an image's name is missing (see vireo img "
				 "--help)");
	return count;
}

int img_print_json(json_t *value, struct error *err)
{
	int rc = value ? json_dumpf(value, stdout, JSON_INDENT(4)) : -1;

	json_decref(value);
	if (rc)
		return error_set(err, EIO, "cannot print JSON");
	putchar('\n');
	return 0;
}

int img_parse_size(const char *text, uint64_t *size, struct error *err)
{
	static const char units[] = "KMGTPE";
	unsigned int shift = 0;
	const char *unit;
	char *end;

	errno = 0;
	*size = strtoull(text, &end, 10);
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		shift = unit ? 10 * (unsigned int)(unit - units + 1) : 64;
	}
	if (!isdigit((unsigned char)*text) || errno || shift == 64 ||
	    (*end && end[1]) || *size > (uint64_t)INT64_MAX >> shift)
		return error_set(err, EINVAL,
				 "%.64s is no size: a number of bytes, or with "
				 "K, M, G or T",
				 text);
	*size <<= shift;
	if (*size % BLOCK_SECTOR)
		return error_set(err, EINVAL,
				 "the size of a disk is a multiple of %d bytes",
				 BLOCK_SECTOR);
	return 0;
}

static const char *probed(const char *path)
{
	const struct block_format *const *f;
	const char *name = "raw";
	char head[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return name;
	n = pread(fd, head, sizeof(head), 0);
	close(fd);
	for (f = block_formats; *f && n > 0; f++)
		if ((*f)->probe && (*f)->probe(head, (size_t)n))
			name = (*f)->name;
	return name;
}

static bool has_suffix(const char *path, const char *format)
{
	const struct block_format *const *f;
	size_t len = strlen(path), n;

	for (f = block_formats; *f; f++) {
		n = (*f)->suffix ? strlen((*f)->suffix) : 0;
		if (n && len > n && !strcmp((*f)->name, format) &&
		    !strcmp(path + len - n, (*f)->suffix))
			return true;
	}
	return false;
}

const char *img_format(const char *path, const char *format)
{
	if (format)
		return format;
	return has_suffix(path, "qcow2") ? "qcow2" : "raw";
}

int img_open(struct block **block, const struct img_open *how,
	     struct error *err)
{
	struct block_options opt = {
		.path = how->path,
		.format = how->format,
		.readonly = !how->write,
		.shared = how->shared,
		.no_backing = how->no_backing,
		.for_repair = how->for_repair,
		/* Files are small, or the page cache does them no harm. */
		.cache = BLOCK_CACHE_WRITEBACK,
		.aio = AIO_THREADS,
	};
	int rc;

	if (!opt.format) {
		opt.format = probed(how->path);
		if (strcmp(opt.format, "raw") && !how->probe &&
		    !has_suffix(how->path, opt.format))
			return error_set(err, EINVAL,
					 "disk image %s looks like %s: is it, "
					 "or has the guest of a raw image "
					 "written that? (--format %s or "
					 "--format raw)",
					 how->path, opt.format, opt.format);
	}
	rc = block_open(block, &opt, err);
	if (rc == -EBUSY && !how->write)
		error_set(err, EBUSY,
			  "disk image %s is in use by another process, which "
			  "writes to it (--force-share looks at it "
			  "nevertheless)",
			  how->path);
	return rc;
}

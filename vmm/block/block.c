// SPDX-License-Identifier: GPL-2.0-or-later
#include "block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "../log.h"

/* Enough for the formats that can be told. */
#define HEAD 4096

const struct block_format *const block_formats[] = {
	&raw_format,
	NULL,
};

static const struct block_format *named(const char *name)
{
	const struct block_format *const *f;

	for (f = block_formats; *f; f++)
		if (!strcmp((*f)->name, name))
			return *f;
	return NULL;
}

/*
 * By the name alone.  Not by the contents: those of a raw image are the
 * guest's, and it could write the header of another format there, one that
 * names any file of the host as its backing.
 */
static const struct block_format *by_name(const char *path)
{
	const struct block_format *const *f;
	size_t len = strlen(path), n;

	for (f = block_formats; *f; f++) {
		n = (*f)->suffix ? strlen((*f)->suffix) : 0;
		if (n && len > n && !strcmp(path + len - n, (*f)->suffix))
			return *f;
	}
	return &raw_format;
}

static int by_contents(const struct block *block,
		       const struct block_format **out, struct error *err)
{
	const struct block_format *const *f;
	char *head = aligned_alloc(HEAD, HEAD);
	ssize_t n;

	if (!head)
		return error_sys(err, ENOMEM, "cannot open disk image %s",
				 block->path);
	n = pread(block->fd, head, HEAD, 0);
	if (n < 0) {
		n = error_sys(err, errno, "cannot read disk image %s",
			      block->path);
		free(head);
		return (int)n;
	}
	*out = &raw_format;
	for (f = block_formats; *f; f++)
		if ((*f)->probe && (*f)->probe(head, (size_t)n))
			*out = *f;
	free(head);
	return 0;
}

static int choose_format(struct block *block, const struct block_options *opt,
			 struct error *err)
{
	if (!opt->format) {
		block->format = by_name(opt->path);
		return 0;
	}
	if (!strcmp(opt->format, "auto"))
		return by_contents(block, &block->format, err);
	block->format = named(opt->format);
	if (!block->format)
		return error_set(err, EINVAL, "no disk image format %s",
				 opt->format);
	return 0;
}

int block_open(struct block **out, const struct block_options *opt,
	       struct error *err)
{
	struct block *block;
	int rc;

	block = calloc(1, sizeof(*block));
	if (!block)
		return error_sys(err, ENOMEM, "cannot open disk image %s",
				 opt->path);
	rc = block_file_open(block, opt, err);
	if (rc)
		goto err_free;
	rc = choose_format(block, opt, err);
	if (rc)
		goto err_file;
	rc = block->format->open(block, opt, err);
	if (rc)
		goto err_file;
	*out = block;
	return 0;

err_file:
	block_file_close(block);
err_free:
	free(block);
	return rc;
}

void block_close(struct block *block)
{
	block->format->close(block);
	block_file_close(block);
	free(block);
}

int block_resize(struct block *block, uint64_t size, struct error *err)
{
	if (size % BLOCK_SECTOR)
		return error_set(err, EINVAL,
				 "the size of a disk is a multiple of %d bytes",
				 BLOCK_SECTOR);
	if (block->readonly && size)
		return error_set(err, EROFS, "disk image %s is read-only",
				 block->path);
	return block->format->resize(block, size, err);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vireo img convert: copies what is not zeros into a new image.  Some pieces
 * are under way at once, each read, and then written run by run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "img.h"
#include "img_options.h"

#define PIECES 8
#define PIECE (2U << 20) /* a multiple of every cluster size */

struct convert_args {
	struct img_create create;
	char *format;
	bool compress;
	bool progress;
	bool share;
};

static const struct opt convert_options[] = {
	IMG_CREATE_OPTIONS("to", 0),
	{ .name = "compress",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct convert_args, compress) },
	{ .name = "force-share",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct convert_args, share) },
	{ .name = "format",
	  .kind = OPT_STRING,
	  .words = "raw|qcow2",
	  .offset = offsetof(struct convert_args, format) },
	{ .name = "progress",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .offset = offsetof(struct convert_args, progress) },
	{ 0 }
};

struct piece {
	struct block_req req; /* first: completions cast */
	struct copy *copy;
	bool busy;
	uint8_t *buf;
	struct iovec iov;
	uint64_t offset;
	uint64_t len;
	uint64_t at; /* up to here it is written */
	uint64_t run;
};

struct copy {
	struct block *from;
	struct block *to;
	struct img_io io;
	bool compress;
	bool progress;
	uint32_t unit; /* zeros are looked for in these */
	uint64_t size;
	uint64_t next;
	uint64_t done;
	unsigned int busy;
	int ret;
	struct piece pieces[PIECES];
};

static bool is_zero(const uint8_t *buf, size_t len)
{
	/* Each byte is like the one before it. */
	return !buf[0] && !memcmp(buf, buf + 1, len - 1);
}

static void piece_next(struct piece *p);

static void end_piece(struct piece *p, int ret)
{
	struct copy *c = p->copy;

	if (ret && !c->ret)
		c->ret = ret;
	c->done += p->len;
	c->busy--;
	p->busy = false;
	if (c->progress)
		fprintf(stderr, "\r%5.1f %%",
			100.0 * (double)c->done / (double)c->size);
}

static void on_written(struct block_req *req, int ret)
{
	struct piece *p = (struct piece *)req;

	p->at += p->run;
	if (ret)
		end_piece(p, ret);
	else
		piece_next(p);
}

static size_t unit_at(const struct piece *p, uint64_t at)
{
	return p->len - at < p->copy->unit ? (size_t)(p->len - at) :
					     p->copy->unit;
}

/* What is not zeros goes where it belongs, in one go as far as it lasts. */
static void piece_next(struct piece *p)
{
	struct copy *c = p->copy;
	size_t n;
	int rc;

	while (p->at < p->len && is_zero(p->buf + p->at, unit_at(p, p->at)))
		p->at += unit_at(p, p->at);
	if (p->at == p->len) {
		end_piece(p, 0);
		return;
	}
	n = unit_at(p, p->at);
	if (c->compress) {
		rc = qcow2_write_compressed(qcow2_of(c->to), p->offset + p->at,
					    p->buf + p->at, n);
		if (rc <= 0) {
			p->run = n;
			on_written(&p->req, rc);
			return;
		}
	}
	p->run = n;
	while (!c->compress && p->at + p->run < p->len) {
		n = unit_at(p, p->at + p->run);
		if (is_zero(p->buf + p->at + p->run, n))
			break;
		p->run += n;
	}
	p->iov = (struct iovec){ p->buf + p->at, p->run };
	p->req = (struct block_req){
		.op = BLOCK_WRITE,
		.offset = p->offset + p->at,
		.len = p->run,
		.iov = &p->iov,
		.nr_iov = 1,
		.done = on_written,
	};
	block_submit(c->to, c->io.aio, &p->req);
}

static void on_read(struct block_req *req, int ret)
{
	struct piece *p = (struct piece *)req;

	if (ret)
		end_piece(p, ret);
	else
		piece_next(p);
}

/* Where the next data are, as far as the file system knows. */
static uint64_t skip_hole(const struct copy *c, uint64_t at)
{
	off_t data;

	if (qcow2_of(c->from))
		return at;
	data = lseek(c->from->fd, (off_t)at, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? c->size : at;
	at = (uint64_t)data & ~(uint64_t)(PIECE - 1);
	return at < c->next ? c->next : at;
}

static void begin_piece(struct copy *c, struct piece *p)
{
	uint64_t at = skip_hole(c, c->next);

	c->done += at - c->next;
	c->next = at;
	if (at >= c->size)
		return;
	p->copy = c;
	p->busy = true;
	p->offset = at;
	p->len = c->size - at < PIECE ? c->size - at : PIECE;
	p->at = 0;
	p->iov = (struct iovec){ p->buf, p->len };
	p->req = (struct block_req){
		.op = BLOCK_READ,
		.offset = at,
		.len = p->len,
		.iov = &p->iov,
		.nr_iov = 1,
		.done = on_read,
	};
	c->next += p->len;
	c->busy++;
	block_submit(c->from, c->io.aio, &p->req);
}

static int copy_all(struct copy *c, struct error *err)
{
	/* Compressed clusters are packed one after the other. */
	unsigned int most = c->compress ? 1 : PIECES, i;
	int rc = 0;

	for (i = 0; i < most && !rc; i++) {
		c->pieces[i].buf = aligned_alloc(4096, PIECE);
		if (!c->pieces[i].buf)
			rc = error_sys(err, ENOMEM, "cannot convert");
	}
	while (!rc) {
		for (i = 0; i < most && c->next < c->size && !c->ret; i++)
			if (!c->pieces[i].busy)
				begin_piece(c, &c->pieces[i]);
		if (!c->busy && (c->next >= c->size || c->ret))
			break;
		if (c->busy)
			aio_wait(c->io.aio);
	}
	if (c->progress)
		fputc('\n', stderr);
	if (!rc && !c->ret)
		c->ret = img_io(&c->io, c->to, BLOCK_FLUSH, 0, 0, NULL);
	if (!rc && c->ret)
		rc = error_sys(err, -c->ret, "cannot convert %s",
			       c->from->path);
	for (i = 0; i < most; i++)
		free(c->pieces[i].buf);
	return rc;
}

static int convert_into(struct block *from, const char *path,
			const struct convert_args *args, struct error *err)
{
	struct img_open open = {
		.path = path,
		.format = img_format(path, args->create.format),
		.write = true,
	};
	struct copy *c = calloc(1, sizeof(*c));
	struct qcow2_info info;
	int rc;

	if (!c)
		return error_sys(err, ENOMEM, "cannot convert");
	c->from = from;
	c->size = block_size(from);
	c->unit = 4096;
	c->compress = args->compress;
	c->progress = args->progress && c->size;
	rc = img_make(path, &args->create, c->size, err);
	if (!rc)
		rc = img_open(&c->to, &open, err);
	if (rc)
		goto out;
	if (qcow2_of(c->to)) {
		qcow2_info(qcow2_of(c->to), &info);
		c->unit = info.cluster_size;
	}
	rc = img_io_open(&c->io, c->to, err);
	if (!rc) {
		/* What was on a device before would show where zeros are. */
		if (c->to->device && !qcow2_of(c->to))
			c->ret = img_io(&c->io, c->to, BLOCK_ZERO, 0, c->size,
					NULL);
		rc = copy_all(c, err);
		img_io_close(&c->io);
	}
	block_close(c->to);
	/* Half an image is of no use to anybody. */
	if (rc && !args->create.force)
		unlink(path);
out:
	free(c);
	return rc;
}

int img_convert(int argc, char **argv, struct error *err)
{
	struct convert_args args = { 0 };
	struct img_open open = { 0 };
	struct block *from;
	const char *words[2];
	int rc, status = STATUS_USAGE;

	if (img_parse(argc, argv, convert_options, &args, words, 2, 2, err) < 0)
		goto out;
	if (args.create.backing || args.create.backing_format) {
		error_set(err, EINVAL,
			  "convert makes an image that has all: "
			  "no backing file");
		goto out;
	}
	if (args.compress &&
	    strcmp(img_format(words[1], args.create.format), "qcow2")) {
		error_set(err, EINVAL, "only qcow2 images are compressed");
		goto out;
	}
	open.path = words[0];
	open.format = args.format;
	open.shared = args.share;
	rc = img_open(&from, &open, err);
	if (!rc) {
		rc = convert_into(from, words[1], &args, err);
		block_close(from);
	}
	status = rc ? STATUS_ERROR : STATUS_OFF;
out:
	opt_free_strings(convert_options, &args);
	return status;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* qcow2 as a format of blocks. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../error.h"
#include "qcow2_req.h"

/* A chain of backing files that is longer is a loop, or no use. */
#define CHAIN_MAX 64

static bool qcow2_probe(const void *head, size_t len)
{
	return len >= 8 && get32(head) == QCOW2_MAGIC &&
	       get32((const char *)head + 4) >= 2;
}

/* ---- opening ---------------------------------------------------------------- */

/* Relative to the directory of the image that names it. */
static int backing_path(const struct qcow2_disk *disk, char path[PATH_MAX],
			struct error *err)
{
	const char *image = disk->block->path, *name = disk->q->backing;
	const char *slash = strrchr(image, '/'), *colon;
	int n;

	if (!strncmp(name, "file:", 5))
		name += 5;
	colon = strchr(name, ':');
	if (colon && memchr(name, '/', (size_t)(colon - name)) == NULL)
		return error_set(err, EINVAL,
				 "its backing file %.200s is not a file's name",
				 name);
	if (*name == '/' || !slash)
		n = snprintf(path, PATH_MAX, "%s", name);
	else
		n = snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - image),
			     image, name);
	return n < PATH_MAX ? 0 :
			      error_set(err, ENAMETOOLONG,
					"the name of its backing file is too "
					"long");
}

/* Can the backing file that the image names be opened? */
static int check_backing(const struct qcow2_disk *disk, unsigned int depth,
			 char path[PATH_MAX], struct error *err)
{
	const struct qcow2 *q = disk->q;

	/*
	 * A guest could have made its raw image look like another format: so
	 * what the format is has to be said.
	 */
	if (!q->backing_format)
		return error_set(err, EINVAL,
				 "it does not say what format its backing file "
				 "has (qemu-img rebase -u -b %.100s -F raw or "
				 "qcow2)",
				 q->backing);
	if (strcmp(q->backing_format, "raw") &&
	    strcmp(q->backing_format, "qcow2"))
		return error_set(err, EINVAL,
				 "its backing file has the format %.32s, not "
				 "raw or qcow2",
				 q->backing_format);
	if (depth >= CHAIN_MAX)
		return error_set(err, ELOOP,
				 "its backing files are more than %d deep: do "
				 "they form a loop?",
				 CHAIN_MAX);
	return backing_path(disk, path, err);
}

static int open_backing(struct qcow2_disk *disk,
			const struct block_options *opt, struct error *err)
{
	struct block_options below = {
		.format = disk->q->backing_format,
		.readonly = true,
		.shared = opt->shared,
		.depth = opt->depth + 1,
		.cache = opt->cache == BLOCK_CACHE_NONE ? BLOCK_CACHE_AUTO :
							  opt->cache,
	};
	char path[PATH_MAX];
	int rc;

	if (!disk->q->backing || opt->no_backing)
		return 0;
	if (opt->fd)
		return error_set(err, EACCES,
				 "the backing file of disk image %s would have "
				 "to be opened (vireo img convert makes an "
				 "image without)",
				 disk->block->path);
	rc = check_backing(disk, opt->depth, path, err);
	if (rc) {
		error_prefix(err, "disk image %s", disk->block->path);
		return rc;
	}
	below.path = path;
	return block_open(&disk->backing, &below, err); /* says which */
}

/* Tables are read and written through the page cache in any case. */
static int open_table_fd(struct qcow2_disk *disk, struct error *err)
{
	const struct block *block = disk->block;
	char path[40];

	disk->table_fd = -1;
	if (!block->direct)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", block->fd);
	disk->table_fd =
		open(path, O_CLOEXEC | O_NOCTTY |
				   (block->readonly ? O_RDONLY : O_RDWR));
	if (disk->table_fd < 0)
		return error_sys(err, errno, "cannot open it once more");
	return 0;
}

/* Clusters smaller than what O_DIRECT takes do without it. */
static int no_direct(struct block *block, const struct block_options *opt,
		     struct error *err)
{
	int flags = fcntl(block->fd, F_GETFL);

	if (opt->cache == BLOCK_CACHE_NONE || opt->aio == AIO_LIBAIO)
		return error_set(err, EINVAL,
				 "disk image %s: its clusters are too small for "
				 "cache=none and aio=libaio on this disk",
				 block->path);
	if (flags < 0 || fcntl(block->fd, F_SETFL, flags & ~O_DIRECT))
		return error_sys(err, errno,
				 "disk image %s: cannot use the page cache",
				 block->path);
	block->direct = false;
	block->align = 0;
	if (opt->aio == AIO_AUTO)
		block->aio = AIO_THREADS;
	return 0;
}

static int disk_open(struct block *block, const struct block_options *opt,
		     struct error *err)
{
	struct qcow2_disk *disk = calloc(1, sizeof(*disk));
	int rc;

	if (!disk)
		return error_sys(err, ENOMEM, "cannot open disk image %s",
				 block->path);
	disk->block = block;
	rc = open_table_fd(disk, err);
	if (rc)
		goto err_free;
	rc = qcow2_open(&disk->q,
			disk->table_fd < 0 ? block->fd : disk->table_fd,
			block->path,
			(block->readonly ? QCOW2_READONLY : 0U) |
				(opt->for_repair ? QCOW2_FOR_REPAIR : 0U),
			err);
	if (rc)
		goto err_fd;
	rc = open_backing(disk, opt, err);
	if (!rc && block->direct && disk->q->cluster_size < block->align) {
		rc = no_direct(block, opt, err);
		if (rc && disk->backing)
			block_close(disk->backing);
	}
	if (rc)
		goto err_close;
	block->priv = disk;
	block->size = disk->q->size - disk->q->size % BLOCK_SECTOR;
	return 0;

err_close:
	qcow2_close(disk->q);
err_fd:
	if (disk->table_fd >= 0)
		close(disk->table_fd);
err_free:
	free(disk);
	return rc;
}

static void disk_close(struct block *block)
{
	struct qcow2_disk *disk = block->priv;
	int rc = qcow2_close(disk->q);

	if (rc)
		log_error(NULL, "disk image %s is not complete: %s",
			  block->path, strerror(-rc));
	if (disk->backing)
		block_close(disk->backing);
	if (disk->table_fd >= 0)
		close(disk->table_fd);
	free(disk);
}

/* ---- requests --------------------------------------------------------------- */

void qcow2_req_done(struct qcow2_req *r)
{
	struct qcow2 *q = r->disk->q;
	struct block_req *req = r->req;
	int ret = r->ret;

	pthread_mutex_lock(&q->lock);
	qcow2_req_end(r);
	pthread_mutex_unlock(&q->lock);
	free(r->copied);
	free(r->slice);
	free(r);
	req->done(req, ret);
}

static void on_read(struct qcow2_reader *reader, int ret)
{
	struct qcow2_req *r = qcow2_container(reader, struct qcow2_req, reader);

	r->ret = ret;
	qcow2_req_done(r);
}

static void disk_submit(struct block *block, struct aio *aio,
			struct block_req *req)
{
	struct qcow2_disk *disk = block->priv;
	struct qcow2_req *r = calloc(1, sizeof(*r));

	if (!r) {
		req->done(req, -ENOMEM);
		return;
	}
	r->disk = disk;
	r->aio = aio;
	r->req = req;
	r->offset = req->offset;
	r->end = req->offset + req->len;
	r->from = (struct qcow2_buffers){ .iov = req->iov, .nr = req->nr_iov };
	pthread_mutex_lock(&disk->q->lock);
	qcow2_req_begin(r);
	pthread_mutex_unlock(&disk->q->lock);
	switch (req->op) {
	case BLOCK_READ:
		r->reader = (struct qcow2_reader){
			.disk = disk,
			.aio = aio,
			.offset = req->offset,
			.len = req->len,
			.to = r->from,
			.done = on_read,
		};
		qcow2_read(&r->reader);
		return;
	case BLOCK_WRITE:
		r->task.step = qcow2_write_step;
		break;
	case BLOCK_FLUSH:
		r->flush = true;
		r->task.step = qcow2_flush_step;
		break;
	default:
		r->task.step = qcow2_zero_step;
	}
	if (block->readonly && req->op != BLOCK_FLUSH)
		r->ret = -EROFS;
	qcow2_task_run(&r->task);
}

static int disk_resize(struct block *block, uint64_t size, struct error *err)
{
	struct qcow2_disk *disk = block->priv;
	int rc;

	if (!size)
		return error_set(err, EINVAL,
				 "disk image %s has the size that it says: say "
				 "another one",
				 block->path);
	if (size < block_size(block))
		return error_set(err, EINVAL,
				 "disk image %s cannot shrink while it is in "
				 "use (vireo img resize --shrink can do that)",
				 block->path);
	rc = qcow2_grow(disk->q, size,
			disk->backing ? block_size(disk->backing) : 0, err);
	if (rc)
		return rc;
	__atomic_store_n(&block->size, size, __ATOMIC_RELAXED);
	return 0;
}

struct qcow2 *qcow2_of(const struct block *block)
{
	const struct qcow2_disk *disk = block->priv;

	return block->format == &qcow2_format ? disk->q : NULL;
}

struct block *qcow2_backing_of(const struct block *block)
{
	const struct qcow2_disk *disk = block->priv;

	return block->format == &qcow2_format ? disk->backing : NULL;
}

const struct block_format qcow2_format = {
	.name = "qcow2",
	.suffix = ".qcow2",
	.probe = qcow2_probe,
	.open = disk_open,
	.close = disk_close,
	.submit = disk_submit,
	.resize = disk_resize,
};

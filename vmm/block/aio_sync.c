// SPDX-License-Identifier: GPL-2.0-or-later
/* A request as blocking system calls. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aio_engine.h"

#define IOV_BATCH 64
#define BOUNCE (256U << 10)
#define ZEROS 4096

bool aio_aligned(const struct aio_req *req)
{
	uint64_t bits;
	unsigned int i;

	if (req->align <= 1 || req->op > AIO_WRITE)
		return true;
	bits = (req->offset + req->begun) | (req->len - req->begun);
	for (i = 0; i < req->nr_iov; i++)
		bits |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
	return !(bits & (req->align - 1));
}

/* The buffers from byte @skip on, as many as fit; returns how many. */
static unsigned int rest(const struct aio_req *req, uint64_t skip,
			 struct iovec *iov)
{
	unsigned int i, n = 0;

	for (i = 0; i < req->nr_iov && n < IOV_BATCH; i++) {
		if (skip >= req->iov[i].iov_len) {
			skip -= req->iov[i].iov_len;
			continue;
		}
		iov[n].iov_base = (char *)req->iov[i].iov_base + skip;
		iov[n++].iov_len = req->iov[i].iov_len - skip;
		skip = 0;
	}
	return n;
}

/* The kernel may take less at once: signals, 2 GiB, the end of the file. */
static int transfer(struct aio_req *req)
{
	struct iovec iov[IOV_BATCH];
	off_t at;
	ssize_t n;
	int nr;

	while (req->begun < req->len) {
		nr = (int)rest(req, req->begun, iov);
		at = (off_t)(req->offset + req->begun);
		if (req->op == AIO_READ)
			n = preadv(req->fd, iov, nr, at);
		else
			n = pwritev2(req->fd, iov, nr, at,
				     req->sync ? RWF_DSYNC : 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO; /* somebody has cut the file */
		req->begun += (uint64_t)n;
	}
	return 0;
}

/* Between @buf and the request's buffers, from byte req->begun on. */
static void copy(const struct aio_req *req, char *buf, size_t len)
{
	struct iovec iov[IOV_BATCH];
	uint64_t skip = req->begun;
	unsigned int i, nr;
	size_t n;

	while (len && (nr = rest(req, skip, iov))) {
		for (i = 0; i < nr && len; i++) {
			n = iov[i].iov_len < len ? iov[i].iov_len : len;
			if (req->op == AIO_READ)
				memcpy(iov[i].iov_base, buf, n);
			else
				memcpy(buf, iov[i].iov_base, n);
			buf += n;
			len -= n;
			skip += n;
		}
	}
}

/* One piece through @buf of BOUNCE bytes; the bytes done, or -errno. */
static ssize_t bounce(struct aio_req *req, char *buf)
{
	uint64_t mask = req->align - 1;
	uint64_t at = req->offset + req->begun;
	uint64_t left = req->len - req->begun;
	size_t lead = at & mask, len;
	ssize_t n;

	if (req->op == AIO_WRITE) {
		if (lead || left & mask)
			return -EINVAL;
		len = left < BOUNCE ? left : BOUNCE;
		copy(req, buf, len);
		n = pwritev2(req->fd,
			     &(struct iovec){ .iov_base = buf, .iov_len = len },
			     1, (off_t)at, req->sync ? RWF_DSYNC : 0);
		return n < 0 ? -errno : n;
	}
	len = (lead + left + mask) & ~mask;
	if (left >= BOUNCE || len > BOUNCE)
		len = BOUNCE;
	n = pread(req->fd, buf, len, (off_t)(at - lead));
	if (n < 0)
		return -errno;
	if ((size_t)n <= lead)
		return 0;
	len = (size_t)n - lead < left ? (size_t)n - lead : left;
	copy(req, buf + lead, len);
	return (ssize_t)len;
}

static int transfer_bounced(struct aio_req *req)
{
	ssize_t n = 0;
	char *buf;

	buf = aligned_alloc(req->align > 4096 ? req->align : 4096, BOUNCE);
	if (!buf)
		return -ENOMEM;
	while (req->begun < req->len) {
		n = bounce(req, buf);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		req->begun += (uint64_t)n;
	}
	free(buf);
	if (req->begun >= req->len)
		return 0;
	return n ? (int)n : -EIO;
}

static int space(const struct aio_req *req, int mode)
{
	int rc;

	do {
		rc = fallocate(req->fd, mode | FALLOC_FL_KEEP_SIZE,
			       (off_t)req->offset, (off_t)req->len);
	} while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

static bool unsupported(int ret)
{
	return ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -ENODEV ||
	       ret == -ENOTTY;
}

static int discard(const struct aio_req *req)
{
	uint64_t range[2] = { req->offset, req->len };
	struct stat st;
	int ret;

	if (fstat(req->fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		ret = ioctl(req->fd, BLKDISCARD, range) ? -errno : 0;
	else
		ret = space(req, FALLOC_FL_PUNCH_HOLE);
	return unsupported(ret) ? 0 : ret;
}

/* Where the file system has no better way. */
static int write_zeros(struct aio_req *req)
{
	static const char zeros[ZEROS] __attribute__((aligned(ZEROS)));
	struct iovec iov[IOV_BATCH];
	struct aio_req part = {
		.op = AIO_WRITE,
		.fd = req->fd,
		.offset = req->offset,
		.iov = iov,
	};
	uint64_t left = req->len;
	unsigned int i;
	int ret;

	while (left) {
		part.len = 0;
		part.begun = 0;
		for (i = 0; i < IOV_BATCH && part.len < left; i++) {
			iov[i].iov_base = (void *)zeros;
			iov[i].iov_len = left - part.len < ZEROS ?
						 left - part.len :
						 ZEROS;
			part.len += iov[i].iov_len;
		}
		left -= part.len;
		part.nr_iov = i;
		ret = transfer(&part);
		if (ret)
			return ret;
		part.offset += part.len;
	}
	return 0;
}

static int zero(struct aio_req *req)
{
	int ret = -EOPNOTSUPP;

	if (req->punch)
		ret = space(req, FALLOC_FL_PUNCH_HOLE);
	if (unsupported(ret))
		ret = space(req, FALLOC_FL_ZERO_RANGE);
	if (unsupported(ret))
		ret = write_zeros(req);
	if (!ret && req->sync && fdatasync(req->fd))
		ret = -errno;
	return ret;
}

int aio_sync(struct aio_req *req)
{
	switch (req->op) {
	case AIO_READ:
	case AIO_WRITE:
		return aio_aligned(req) ? transfer(req) : transfer_bounced(req);
	case AIO_FSYNC:
		return fdatasync(req->fd) ? -errno : 0;
	case AIO_DISCARD:
		return discard(req);
	case AIO_ZERO:
		return zero(req);
	}
	return -EINVAL;
}

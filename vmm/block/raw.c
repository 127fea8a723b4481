// SPDX-License-Identifier: GPL-2.0-or-later
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"

static int raw_geometry(struct raw *raw, const char *path, struct error *err)
{
	struct stat st;
	int sector;

	if (fstat(raw->fd, &st))
		return error_sys(err, errno, "cannot look at disk image %s",
				 path);
	raw->block_size = RAW_SECTOR;
	if (S_ISREG(st.st_mode)) {
		raw->size = (uint64_t)st.st_size;
	} else if (S_ISBLK(st.st_mode)) {
		if (ioctl(raw->fd, BLKGETSIZE64, &raw->size) ||
		    ioctl(raw->fd, BLKSSZGET, &sector))
			return error_sys(err, errno,
					 "cannot get the size of disk %s",
					 path);
		raw->block_size = (uint32_t)sector;
	} else {
		return error_set(err, EINVAL,
				 "disk image %s is neither a file nor a block "
				 "device",
				 path);
	}
	if (!raw->size)
		return error_set(err, EINVAL, "disk image %s is empty", path);
	if (raw->size % RAW_SECTOR)
		return error_set(err, EINVAL,
				 "disk image %s has %llu bytes, which is not a "
				 "multiple of %d (is it a raw image? "
				 "truncate -s %%%d makes it one)",
				 path, (unsigned long long)raw->size,
				 RAW_SECTOR, RAW_SECTOR);
	return 0;
}

static int raw_lock(const struct raw *raw, const char *path, struct error *err)
{
	struct flock lock = {
		.l_type = raw->readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	if (!fcntl(raw->fd, F_OFD_SETLK, &lock))
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return error_sys(err, errno, "cannot lock disk image %s", path);
	return error_set(err, EBUSY,
			 "disk image %s is in use by another process%s", path,
			 raw->readonly ? ", which writes to it" :
					 " (only ro disks can be shared)");
}

int raw_open(struct raw *raw, const char *path, bool readonly,
	     struct error *err)
{
	int rc;

	raw->readonly = readonly;
	/* Not to wait for the writer of a FIFO, which is refused then. */
	raw->fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC |
				     O_NONBLOCK | O_NOCTTY);
	if (raw->fd < 0) {
		rc = errno;
		error_sys(err, rc, "cannot open disk image %s", path);
		if (!readonly && (rc == EACCES || rc == EROFS || rc == EPERM) &&
		    !access(path, R_OK))
			error_set(err, rc,
				  "cannot write to disk image %s: %s (add ,ro "
				  "to only read it)",
				  path, strerror(rc));
		return -rc;
	}
	rc = raw_geometry(raw, path, err);
	if (rc)
		goto err_close;
	rc = raw_lock(raw, path, err);
	if (rc)
		goto err_close;
	return 0;

err_close:
	close(raw->fd);
	return rc;
}

void raw_close(struct raw *raw)
{
	close(raw->fd);
}

/* Steps over @len bytes of the buffers. */
static void raw_advance(struct raw_req *req, size_t len)
{
	req->offset += len;
	req->len -= len;
	len += req->begun;
	while (req->nr_iov && len >= req->iov->iov_len) {
		len -= req->iov->iov_len;
		req->iov++;
		req->nr_iov--;
	}
	req->begun = len;
}

/* The kernel may take less at once: signals, 2 GiB, the end of the file. */
static int raw_transfer(const struct raw *raw, struct raw_req *req)
{
	const struct iovec *iov;
	struct iovec rest;
	int nr;
	ssize_t n;

	req->begun = 0;
	while (req->len) {
		iov = req->iov;
		nr = (int)req->nr_iov;
		if (req->begun) {
			rest.iov_base = (char *)iov->iov_base + req->begun;
			rest.iov_len = iov->iov_len - req->begun;
			iov = &rest;
			nr = 1;
		}
		if (req->op == RAW_READ)
			n = preadv(raw->fd, iov, nr, (off_t)req->offset);
		else
			n = pwritev2(raw->fd, iov, nr, (off_t)req->offset,
				     req->sync ? RWF_DSYNC : 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO; /* somebody has cut the file */
		raw_advance(req, (size_t)n);
	}
	return 0;
}

static int raw_fallocate(const struct raw *raw, const struct raw_req *req,
			 int mode)
{
	int rc;

	do {
		rc = fallocate(raw->fd, mode | FALLOC_FL_KEEP_SIZE,
			       (off_t)req->offset, (off_t)req->len);
	} while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

static bool unsupported(int ret)
{
	return ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -ENODEV;
}

/* A discard is a hint (virtio 1.2, 5.2.6): what cannot be done is left. */
static int raw_discard(const struct raw *raw, const struct raw_req *req)
{
	int ret = raw_fallocate(raw, req, FALLOC_FL_PUNCH_HOLE);

	return unsupported(ret) ? 0 : ret;
}

/* Where the file system has no better way. */
static int raw_write_zeros(const struct raw *raw, struct raw_req *req)
{
	static const char zeros[4096];
	struct iovec iov[64];
	struct raw_req part = {
		.op = RAW_WRITE,
		.offset = req->offset,
	};
	uint64_t left = req->len;
	unsigned int i;
	int ret;

	while (left) {
		part.len = 0;
		for (i = 0; i < 64 && part.len < left; i++) {
			iov[i].iov_base = (void *)zeros;
			iov[i].iov_len = left - part.len < sizeof(zeros) ?
						 left - part.len :
						 sizeof(zeros);
			part.len += iov[i].iov_len;
		}
		left -= part.len;
		part.iov = iov;
		part.nr_iov = i;
		ret = raw_transfer(raw, &part);
		if (ret)
			return ret;
	}
	return 0;
}

static int raw_zero(const struct raw *raw, struct raw_req *req)
{
	int ret = -EOPNOTSUPP;

	if (req->punch)
		ret = raw_fallocate(raw, req, FALLOC_FL_PUNCH_HOLE);
	if (unsupported(ret))
		ret = raw_fallocate(raw, req, FALLOC_FL_ZERO_RANGE);
	if (unsupported(ret))
		ret = raw_write_zeros(raw, req);
	if (!ret && req->sync && fdatasync(raw->fd))
		ret = -errno;
	return ret;
}

void raw_submit(const struct raw *raw, struct raw_req *req)
{
	int ret = -EINVAL;

	switch (req->op) {
	case RAW_READ:
	case RAW_WRITE:
		ret = raw_transfer(raw, req);
		break;
	case RAW_FLUSH:
		ret = fdatasync(raw->fd) ? -errno : 0;
		break;
	case RAW_DISCARD:
		ret = raw_discard(raw, req);
		break;
	case RAW_ZERO:
		ret = raw_zero(raw, req);
		break;
	}
	req->done(req, ret);
}

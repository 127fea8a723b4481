// SPDX-License-Identifier: GPL-2.0-or-later
/* The file below an image: opening it, its lock, and what suits it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../error.h"
#include "../log.h"
#include "block.h"

/* udev, for one, has a device locked while it looks at it. */
#define LOCK_TRIES 20
#define LOCK_PAUSE 50000 /* microseconds */

int block_file_size(const struct block *block, uint64_t *size,
		    struct error *err)
{
	struct stat st;

	if (block->device ? ioctl(block->fd, BLKGETSIZE64, size) :
			    fstat(block->fd, &st))
		return error_sys(err, errno, "cannot get the size of disk %s",
				 block->path);
	if (!block->device)
		*size = (uint64_t)st.st_size;
	return 0;
}

static int geometry(struct block *block, struct error *err)
{
	struct stat st;
	int sector;

	if (fstat(block->fd, &st))
		return error_sys(err, errno, "cannot look at disk image %s",
				 block->path);
	block->device = S_ISBLK(st.st_mode);
	block->block_size = BLOCK_SECTOR;
	if (S_ISREG(st.st_mode))
		return 0;
	if (!block->device)
		return error_set(err, EINVAL,
				 "disk image %s is neither a file nor a block "
				 "device",
				 block->path);
	if (ioctl(block->fd, BLKSSZGET, &sector))
		return error_sys(err, errno,
				 "cannot get the block size of disk %s",
				 block->path);
	block->block_size = (uint32_t)sector;
	return 0;
}

/* The path of the node in /dev that the kernel has made of device @dev. */
static int node_path(dev_t dev, char *path, size_t size)
{
	char uevent[64], line[PATH_MAX];
	int rc = -ENOENT;
	FILE *f;

	snprintf(uevent, sizeof(uevent), "/sys/dev/block/%u:%u/uevent",
		 major(dev), minor(dev));
	f = fopen(uevent, "re");
	if (!f)
		return -errno;
	while (rc && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "DEVNAME=", 8))
			continue;
		snprintf(path, size, "/dev/%s", line + 8);
		rc = 0;
	}
	fclose(f);
	return rc;
}

static int open_node(struct block *block, const struct stat *device,
		     struct error *err)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	char path[PATH_MAX] = "its node in /dev";
	struct stat st = { 0 };
	int rc;

	rc = node_path(device->st_rdev, path, sizeof(path));
	if (!rc) {
		block->node = open(path, flags);
		if (block->node < 0 || fstat(block->node, &st))
			rc = -errno;
		else if (!S_ISBLK(st.st_mode) || st.st_rdev != device->st_rdev)
			rc = -ENODEV;
	}
	if (rc)
		return error_set(err, -rc,
				 "cannot tell who else has disk %s: %s: %s",
				 block->path, path, strerror(-rc));
	if (st.st_dev == device->st_dev && st.st_ino == device->st_ino) {
		close(block->node);
		block->node = -1;
	}
	return 0;
}

/*
 * Nothing can be opened for a descriptor that comes while the machine runs:
 * it has to be the kernel's node itself.
 */
static int find_node(struct block *block, const struct block_options *opt,
		     struct error *err)
{
	struct stat st;

	if (!block->device)
		return 0;
	if (fstat(block->fd, &st))
		return error_sys(err, errno, "cannot look at disk %s",
				 block->path);
	if (!opt->fd)
		return open_node(block, &st, err);
	if (st.st_dev == opt->nodes)
		return 0;
	return error_set(err, EINVAL,
			 "%s is a device's node outside /dev: locks there are "
			 "not seen by others",
			 block->path);
}

static int lock_file(const struct block *block)
{
	struct flock lock = {
		.l_type = block->readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	if (block->device)
		return flock(block->node < 0 ? block->fd : block->node,
			     (block->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB);
	return fcntl(block->fd, F_OFD_SETLK, &lock);
}

static int lock(const struct block *block, struct error *err)
{
	unsigned int tries = block->device ? LOCK_TRIES : 1;

	for (;;) {
		if (!lock_file(block))
			return 0;
		if (errno != EAGAIN || !--tries)
			break;
		usleep(LOCK_PAUSE);
	}
	if (errno != EAGAIN && errno != EACCES)
		return error_sys(err, errno, "cannot lock disk image %s",
				 block->path);
	return error_set(err, EBUSY,
			 "disk image %s is in use by another process%s",
			 block->path,
			 block->readonly ? ", which writes to it" :
					   " (only ro disks can be shared)");
}

/*
 * Whether O_DIRECT works in units that every format and guest keeps to: those
 * of the device, or sectors of a file.  If so, it is on.
 */
static bool direct(struct block *block)
{
	int flags = fcntl(block->fd, F_GETFL);
	void *buf;
	ssize_t n;

	if (flags < 0 || fcntl(block->fd, F_SETFL, flags | O_DIRECT))
		return false;
	buf = aligned_alloc(4096, 4096);
	n = buf ? pread(block->fd, buf, block->block_size, 0) : -1;
	free(buf);
	if (n >= 0)
		return true;
	fcntl(block->fd, F_SETFL, flags);
	return false;
}

static int choose_cache(struct block *block, const struct block_options *opt,
			struct error *err)
{
	block->writethrough = opt->cache == BLOCK_CACHE_WRITETHROUGH;
	/* With O_DIRECT, some formats would have to open it once more. */
	if (opt->fd) {
		fcntl(block->fd, F_SETFL,
		      fcntl(block->fd, F_GETFL) & ~O_DIRECT);
		return 0;
	}
	if (opt->cache == BLOCK_CACHE_AUTO || opt->cache == BLOCK_CACHE_NONE)
		block->direct = direct(block);
	if (block->direct)
		block->align = block->block_size;
	else if (opt->cache == BLOCK_CACHE_NONE)
		return error_set(err, EINVAL,
				 "disk image %s cannot be used with cache=none: "
				 "its file system has no O_DIRECT",
				 block->path);
	return 0;
}

static int choose_aio(struct block *block, const struct block_options *opt,
		      struct error *err)
{
	block->aio = opt->aio;
	if (opt->aio == AIO_LIBAIO && !block->direct)
		return error_set(err, EINVAL,
				 "disk image %s cannot be used with aio=libaio: "
				 "%s (aio=threads can)",
				 block->path,
				 opt->cache == BLOCK_CACHE_AUTO ?
					 "its file system has no O_DIRECT" :
					 "that needs cache=none");
	if (opt->aio != AIO_AUTO && opt->aio != AIO_KERNEL)
		return 0;
	block->aio = block->direct ? AIO_LIBAIO : AIO_THREADS;
	if (!block->direct && opt->cache == BLOCK_CACHE_AUTO)
		log_info(NULL,
			 "disk image %s: no O_DIRECT there; cache=writeback "
			 "and aio=threads",
			 block->path);
	return 0;
}

static int open_path(const struct block_options *opt, struct error *err)
{
	/*
	 * Not to wait for the writer of a FIFO, which is refused then; and not
	 * to write to a device that is mounted (O_EXCL, see open(2)).
	 */
	const int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
			  (opt->readonly ? O_RDONLY : O_RDWR | O_EXCL);
	int fd = open(opt->path, flags);
	int rc = errno;

	if (fd >= 0) {
		/* To io_uring it would mean not to wait for the disk. */
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
		return fd;
	}
	error_sys(err, rc, "cannot open disk image %s", opt->path);
	if (rc == EBUSY)
		error_set(err, rc,
			  "disk image %s is in use: it is mounted, or another "
			  "program has it for itself",
			  opt->path);
	if (!opt->readonly && (rc == EACCES || rc == EROFS || rc == EPERM) &&
	    !access(opt->path, R_OK))
		error_set(err, rc,
			  "cannot write to disk image %s: %s (add ,ro to only "
			  "read it)",
			  opt->path, strerror(rc));
	return -rc;
}

static int take_fd(const struct block_options *opt, struct error *err)
{
	int fd = fcntl(opt->fd, F_DUPFD_CLOEXEC, 3);
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags >= 0 && (opt->readonly || (flags & O_ACCMODE) == O_RDWR))
		return fd;
	if (flags < 0)
		return error_sys(err, errno, "cannot use %s", opt->path);
	close(fd);
	return error_set(err, EACCES, "%s was not opened for writing",
			 opt->path);
}

static void close_fds(const struct block *block)
{
	close(block->fd);
	if (block->node >= 0)
		close(block->node);
}

int block_file_open(struct block *block, const struct block_options *opt,
		    struct error *err)
{
	int rc;

	block->readonly = opt->readonly;
	block->node = -1;
	block->path = strdup(opt->path);
	if (!block->path)
		return error_sys(err, ENOMEM, "cannot open disk image %s",
				 opt->path);
	block->fd = opt->fd ? take_fd(opt, err) : open_path(opt, err);
	if (block->fd < 0) {
		rc = block->fd;
		goto err_path;
	}
	rc = geometry(block, err);
	if (rc)
		goto err_fd;
	rc = opt->shared ? 0 : find_node(block, opt, err);
	if (!rc && !opt->shared)
		rc = lock(block, err);
	if (rc)
		goto err_fd;
	rc = choose_cache(block, opt, err);
	if (rc)
		goto err_fd;
	rc = choose_aio(block, opt, err);
	if (rc)
		goto err_fd;
	return 0;

err_fd:
	close_fds(block);
err_path:
	free(block->path);
	return rc;
}

void block_file_close(struct block *block)
{
	close_fds(block);
	free(block->path);
}

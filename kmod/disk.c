// SPDX-License-Identifier: GPL-2.0
/*
 * Disks: what block queues are served from, and how quickly.
 */
#include <linux/anon_inodes.h>
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "queue.h"

/* A limit forgets what was not used within this time, in seconds. */
#define MAX_BURST 3600

static const struct file_operations vireo_disk_fops;

/**
 * vireo_disk_of() - the disk of a file
 * @file: any file
 *
 * Return: the disk, or NULL if it is not one's.
 */
struct vireo_disk *vireo_disk_of(struct file *file)
{
	return file->f_op == &vireo_disk_fops ? file->private_data : NULL;
}

/* ---- limits -------------------------------------------------------------- */

/* In nanoseconds at a rate that is not 0; no more than MAX_BURST. */
static u64 time_for(u64 units, u64 rate)
{
	u64 rest, seconds = div64_u64_rem(units, rate, &rest);

	if (seconds >= MAX_BURST)
		return MAX_BURST * NSEC_PER_SEC;
	return seconds * NSEC_PER_SEC +
	       mul_u64_u64_div_u64(rest, NSEC_PER_SEC, rate);
}

static void set_bucket(struct vireo_bucket *b, u64 rate, u64 burst)
{
	b->rate = rate;
	b->ahead = 0;
	if (rate)
		b->depth = burst ? time_for(burst, rate) : NSEC_PER_SEC / 10;
}

/* How long until it lets something through. */
static u64 bucket_wait(const struct vireo_bucket *b, u64 now)
{
	if (!b->rate || b->ahead <= now + b->depth)
		return 0;
	return b->ahead - now - b->depth;
}

static void bucket_take(struct vireo_bucket *b, u64 now, u64 units)
{
	if (b->rate)
		b->ahead = max(b->ahead, now) + time_for(units, b->rate);
}

/**
 * vireo_disk_ask() - may a request begin?
 * @disk: the disk
 * @bytes: of its data
 *
 * What may is counted, also if it is more than the limit has left: the next one
 * waits for that.
 *
 * Return: 0, or how many nanoseconds to wait before asking again.
 */
u64 vireo_disk_ask(struct vireo_disk *disk, u64 bytes)
{
	u64 now, wait;

	if (likely(!READ_ONCE(disk->limited)))
		return 0;
	now = ktime_get_ns();
	spin_lock(&disk->lock);
	wait = max(bucket_wait(&disk->iops, now), bucket_wait(&disk->bps, now));
	if (!wait) {
		bucket_take(&disk->iops, now, 1);
		bucket_take(&disk->bps, now, bytes);
	}
	spin_unlock(&disk->lock);
	return wait;
}

static void set_limits(struct vireo_disk *disk,
		       const struct vireo_disk_limits *limits)
{
	spin_lock(&disk->lock);
	set_bucket(&disk->iops, limits->iops, limits->iops_burst);
	set_bucket(&disk->bps, limits->bps, limits->bps_burst);
	WRITE_ONCE(disk->limited, limits->iops || limits->bps);
	spin_unlock(&disk->lock);
}

/* ---- the file descriptor -------------------------------------------------- */

static u64 stored_bytes(const struct vireo_disk *disk)
{
	return i_size_read(disk->file->f_mapping->host);
}

static int check_bytes(const struct vireo_disk *disk, u64 bytes)
{
	return bytes & (disk->block_size - 1) || bytes > stored_bytes(disk) ?
		       -EINVAL :
		       0;
}

static long vireo_disk_set(void *object, union vireo_arg *arg,
			   void __user *uarg)
{
	const struct vireo_disk_set *set = &arg->disk_set;
	struct vireo_disk *disk = object;

	if (set->flags & ~(VIREO_DISK_SET_BYTES | VIREO_DISK_SET_LIMITS))
		return -EINVAL;
	if (set->flags & VIREO_DISK_SET_BYTES) {
		if (check_bytes(disk, set->bytes))
			return -EINVAL;
		WRITE_ONCE(disk->bytes, set->bytes);
	}
	if (set->flags & VIREO_DISK_SET_LIMITS)
		set_limits(disk, &set->limits);
	return 0;
}

static const struct vireo_ioctl vireo_disk_ioctls[] = {
	VIREO_IOCTL(VIREO_DISK_SET, vireo_disk_set, struct vireo_disk_set,
		    limits),
};

static long vireo_disk_ioctl(struct file *file, unsigned int cmd,
			     unsigned long uaddr)
{
	return vireo_do_ioctl(vireo_disk_ioctls, ARRAY_SIZE(vireo_disk_ioctls),
			      file->private_data, cmd, uaddr);
}

static int vireo_disk_release(struct inode *inode, struct file *file)
{
	struct vireo_disk *disk = file->private_data;

	fput(disk->file);
	kfree(disk);
	return 0;
}

static const struct file_operations vireo_disk_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vireo_disk_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = vireo_disk_release,
	.llseek = noop_llseek,
};

static int check_file(struct vireo_disk *disk)
{
	const struct file *file = disk->file;
	const struct inode *inode = file_inode(file);

	if (!(file->f_mode & FMODE_READ) ||
	    (!(disk->flags & VIREO_DISK_READONLY) &&
	     !(file->f_mode & FMODE_WRITE)))
		return -EACCES;
	if (!file->f_op->read_iter || !file->f_op->write_iter)
		return -EOPNOTSUPP;

	if (S_ISBLK(inode->i_mode)) {
		disk->bdev = I_BDEV(file->f_mapping->host);
		if (bdev_logical_block_size(disk->bdev) > disk->block_size)
			return -EINVAL;
		disk->mem_mask = bdev_dma_alignment(disk->bdev);
		return 0;
	}
	if (!S_ISREG(inode->i_mode) || !(file->f_flags & O_DIRECT) ||
	    !(file->f_mode & FMODE_CAN_ODIRECT))
		return -EOPNOTSUPP;
	disk->mem_mask = disk->block_size - 1;
	return 0;
}

static struct vireo_disk *make_disk(const struct vireo_disk_create *create)
{
	struct vireo_disk *disk;
	int ret;

	disk = kzalloc(sizeof(*disk), GFP_KERNEL_ACCOUNT);
	if (!disk)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&disk->lock);
	disk->flags = create->flags;
	disk->block_size = create->block_size;
	disk->bytes = create->bytes;
	memcpy(disk->serial, create->serial, sizeof(disk->serial));
	set_limits(disk, &create->limits);

	disk->file = fget(create->fd);
	ret = -EBADF;
	if (!disk->file)
		goto err_free;
	ret = check_file(disk);
	if (!ret)
		ret = check_bytes(disk, disk->bytes);
	/* What is cached need not stay so, nor be looked for by each request. */
	if (!ret && disk->bdev) {
		ret = sync_blockdev(disk->bdev);
		invalidate_bdev(disk->bdev);
	}
	if (ret)
		goto err_fput;
	return disk;

err_fput:
	fput(disk->file);
err_free:
	kfree(disk);
	return ERR_PTR(ret);
}

/**
 * vireo_disk_create() - VIREO_DISK_CREATE
 * @unused: the device has no object
 * @arg: struct vireo_disk_create
 * @uarg: gets nothing
 *
 * Return: a file descriptor or a negative errno.
 */
long vireo_disk_create(void *unused, union vireo_arg *arg, void __user *uarg)
{
	const struct vireo_disk_create *create = &arg->disk_create;
	struct vireo_disk *disk;
	int fd;

	if (create->flags & ~(VIREO_DISK_READONLY | VIREO_DISK_WRITETHROUGH) ||
	    create->reserved || !is_power_of_2(create->block_size) ||
	    create->block_size < SECTOR_SIZE || create->block_size > PAGE_SIZE)
		return -EINVAL;

	disk = make_disk(create);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	fd = anon_inode_getfd("[vireo-disk]", &vireo_disk_fops, disk,
			      O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		fput(disk->file);
		kfree(disk);
	}
	return fd;
}

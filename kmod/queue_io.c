// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to the disk: as a bio to a block device, as asynchronous direct I/O to
 * a file; and those that are done at one's leisure.
 */
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "queue.h"

static loff_t pos_of(const struct vireo_req *req)
{
	return req->sector << SECTOR_SHIFT;
}

/* What the disk reads or writes, as one table. */
static struct bio_vec *vecs_of(struct vireo_req *req, u32 *nr)
{
	*nr = req->bounce ? req->nr_bounce : req->nr_vecs;
	return req->bounce ?: req->vecs;
}

/* Whether it was refused because it would have had to wait, or might have. */
static bool is_again(long error)
{
	switch (error) {
	case -EAGAIN:
	case -EINTR:
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return true;
	}
	return false;
}

/* ---- block devices ---------------------------------------------------------- */

static void bio_done(struct bio *bio)
{
	struct vireo_req *req = container_of(bio, struct vireo_req, bio);
	int error = blk_status_to_errno(bio->bi_status);

	bio_uninit(bio);
	if (unlikely(error == -EAGAIN && req->nowait))
		vireo_req_slow(req, false);
	else
		vireo_req_done(req, error);
}

/*
 * Whether somebody reads the device by the page cache, too, and has what the
 * request is about there.
 */
static bool is_cached(const struct vireo_req *req)
{
	struct address_space *mapping = req->queue->disk->file->f_mapping;

	return unlikely(READ_ONCE(mapping->nrpages)) && req->bytes &&
	       filemap_range_has_page(mapping, pos_of(req),
				      pos_of(req) + req->bytes - 1);
}

static blk_opf_t bio_flags(const struct vireo_req *req)
{
	switch (req->op) {
	case VIREO_QUEUE_OP_READ:
		return REQ_OP_READ | REQ_SYNC;
	case VIREO_QUEUE_OP_WRITE:
		return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE |
		       (req->fua ? REQ_FUA : 0);
	default:
		return REQ_OP_WRITE | REQ_PREFLUSH;
	}
}

static void submit_bio_of(struct vireo_req *req, bool nowait)
{
	struct block_device *bdev = req->queue->disk->bdev;
	struct bio *bio = &req->bio;
	struct bio_vec *vecs;
	u32 nr;

	if (is_cached(req)) {
		vireo_req_slow(req, true);
		return;
	}
	if (nowait && !bdev_nowait(bdev)) {
		vireo_req_slow(req, false);
		return;
	}
	vecs = vecs_of(req, &nr);
	bio_init(bio, bdev, vecs, nr,
		 bio_flags(req) | (nowait ? REQ_NOWAIT : 0));
	bio->bi_vcnt = nr;
	bio->bi_iter.bi_sector = req->sector;
	bio->bi_iter.bi_size = req->bytes;
	bio->bi_end_io = bio_done;
	req->nowait = nowait;
	submit_bio(bio);
}

/* ---- files ------------------------------------------------------------------ */

/* What a read or write of a file came to. */
static int io_error(const struct vireo_req *req, long ret, u32 bytes)
{
	if (ret == bytes)
		return 0;
	return ret < 0 ? ret : -EIO;
}

static void iocb_done(struct kiocb *iocb, long ret)
{
	struct vireo_req *req = container_of(iocb, struct vireo_req, iocb);

	if (iocb->ki_flags & IOCB_WRITE)
		kiocb_end_write(iocb);
	if (unlikely(req->nowait && is_again(ret)))
		vireo_req_slow(req, false);
	else
		vireo_req_done(req, io_error(req, ret, req->bytes));
}

static void init_iocb(struct vireo_req *req, struct kiocb *iocb, loff_t pos)
{
	init_sync_kiocb(iocb, req->queue->disk->file);
	iocb->ki_pos = pos;
	iocb->ki_flags |= IOCB_DIRECT;
	if (req->fua)
		iocb->ki_flags |= IOCB_DSYNC;
}

static long rw(struct vireo_req *req, struct kiocb *iocb, u32 bytes)
{
	const struct file_operations *f_op = iocb->ki_filp->f_op;
	struct iov_iter iter;
	struct bio_vec *vecs;
	u32 nr;

	vecs = vecs_of(req, &nr);
	if (vireo_req_reads(req)) {
		iov_iter_bvec(&iter, ITER_DEST, vecs, nr, bytes);
		return f_op->read_iter(iocb, &iter);
	}
	iov_iter_bvec(&iter, ITER_SOURCE, vecs, nr, bytes);
	iocb->ki_flags |= IOCB_WRITE;
	return f_op->write_iter(iocb, &iter);
}

static void submit_iocb(struct vireo_req *req, bool nowait)
{
	struct file *file = req->queue->disk->file;
	struct super_block *sb = file_inode(file)->i_sb;
	struct kiocb *iocb = &req->iocb;
	long ret;

	if (nowait && !(file->f_mode & FMODE_NOWAIT)) {
		vireo_req_slow(req, false);
		return;
	}
	init_iocb(req, iocb, pos_of(req));
	iocb->ki_complete = iocb_done;
	req->nowait = nowait;
	if (nowait)
		iocb->ki_flags |= IOCB_NOWAIT;
	if (!vireo_req_reads(req)) {
		/* Who freezes the file system waits for it, as for AIO. */
		if (!nowait) {
			kiocb_start_write(iocb);
		} else if (sb_start_write_trylock(sb)) {
			__sb_writers_release(sb, SB_FREEZE_WRITE);
		} else {
			vireo_req_slow(req, false);
			return;
		}
	}
	ret = rw(req, iocb, req->bytes);
	if (ret != -EIOCBQUEUED)
		iocb_done(iocb, ret);
}

/**
 * vireo_req_submit() - have the disk do a request
 * @req: the request
 * @nowait: what would have to wait is left to the queue's waiter
 *
 * It may be done, and gone, when this returns.
 */
void vireo_req_submit(struct vireo_req *req, bool nowait)
{
	const struct vireo_disk *disk = req->queue->disk;
	bool data = vireo_req_has_data(req);

	if (unlikely(req->segs || !(data || (disk->bdev &&
					     req->op == VIREO_QUEUE_OP_FLUSH))))
		vireo_req_slow(req, true);
	else if (disk->bdev)
		submit_bio_of(req, nowait);
	else
		submit_iocb(req, nowait);
}

/* ---- all of a request, waiting ----------------------------------------------- */

/* Reads or writes what it has the memory of. */
static int do_piece(struct vireo_req *req, loff_t pos, u32 bytes)
{
	struct file *file = req->queue->disk->file;
	bool write = !vireo_req_reads(req);
	struct kiocb iocb;
	long ret;

	init_iocb(req, &iocb, pos);
	if (write && !req->queue->disk->bdev)
		file_start_write(file);
	ret = rw(req, &iocb, bytes);
	if (write && !req->queue->disk->bdev)
		file_end_write(file);
	return io_error(req, ret, bytes);
}

static int do_pieces(struct vireo_req *req)
{
	u64 done;
	u32 n;
	int ret;

	for (done = 0; done < req->bytes; done += n) {
		n = min_t(u64, req->bytes - done, VIREO_REQ_BYTES);
		ret = vireo_req_vecs(req, req->segs, req->nr_segs, done, n);
		if (ret)
			return ret;
		ret = do_piece(req, pos_of(req) + done, n);
		if (!ret)
			vireo_req_bounced(req);
		vireo_req_put_vecs(req);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static int do_discard(struct vireo_req *req)
{
	struct vireo_disk *disk = req->queue->disk;
	int ret;

	if (disk->bdev) {
		truncate_inode_pages_range(disk->file->f_mapping, pos_of(req),
					   pos_of(req) + req->bytes - 1);
		ret = blkdev_issue_discard(disk->bdev, req->sector,
					   req->bytes >> SECTOR_SHIFT,
					   GFP_KERNEL);
	} else {
		ret = vfs_fallocate(disk->file,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    pos_of(req), req->bytes);
	}
	/* It is a hint. */
	return ret == -EOPNOTSUPP ? 0 : ret;
}

/* Zeros that are written, to a file that knows no better. */
static int write_zeros(struct vireo_req *req)
{
	const u32 nr = VIREO_REQ_BYTES / PAGE_SIZE;
	u64 done;
	u32 i, n;
	int ret = 0;

	req->vecs = kmalloc_array(nr, sizeof(*req->vecs), GFP_KERNEL_ACCOUNT);
	if (!req->vecs) {
		req->vecs = req->inline_vecs;
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++) {
		get_page(ZERO_PAGE(0));
		req->vecs[req->nr_vecs++] = (struct bio_vec){
			.bv_page = ZERO_PAGE(0),
			.bv_len = PAGE_SIZE,
		};
	}
	for (done = 0; !ret && done < req->bytes; done += n) {
		n = min_t(u64, req->bytes - done, VIREO_REQ_BYTES);
		ret = do_piece(req, pos_of(req) + done, n);
		cond_resched();
	}
	vireo_req_put_vecs(req);
	return ret;
}

static int do_zero(struct vireo_req *req)
{
	struct vireo_disk *disk = req->queue->disk;
	int ret = -EOPNOTSUPP;

	if (disk->bdev) {
		truncate_inode_pages_range(disk->file->f_mapping, pos_of(req),
					   pos_of(req) + req->bytes - 1);
		return blkdev_issue_zeroout(disk->bdev, req->sector,
					    req->bytes >> SECTOR_SHIFT,
					    GFP_KERNEL,
					    req->unmap ? 0 :
							 BLKDEV_ZERO_NOUNMAP);
	}
	if (req->unmap)
		ret = vfs_fallocate(disk->file,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    pos_of(req), req->bytes);
	if (ret == -EOPNOTSUPP)
		ret = vfs_fallocate(disk->file,
				    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    pos_of(req), req->bytes);
	return ret == -EOPNOTSUPP ? write_zeros(req) : ret;
}

static int do_flush(struct vireo_req *req)
{
	struct vireo_disk *disk = req->queue->disk;

	return disk->bdev ? blkdev_issue_flush(disk->bdev) :
			    vfs_fsync(disk->file, 1);
}

/**
 * vireo_req_do() - do all of a request
 * @req: the request
 *
 * Return: 0 or a negative errno.
 */
int vireo_req_do(struct vireo_req *req)
{
	int ret;

	switch (req->op) {
	case VIREO_QUEUE_OP_READ:
	case VIREO_QUEUE_OP_WRITE:
		return req->segs ? do_pieces(req) :
				   do_piece(req, pos_of(req), req->bytes);
	case VIREO_QUEUE_OP_DISCARD:
		ret = do_discard(req);
		break;
	case VIREO_QUEUE_OP_ZERO:
		ret = do_zero(req);
		break;
	default:
		return do_flush(req);
	}
	return !ret && req->fua ? do_flush(req) : ret;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * What the requests of a virtio block device say (virtio 1.2, 5.2.6), and the
 * guest memory that they are about.
 */
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_byteorder.h>

#include "mem.h"
#include "queue.h"

/* ---- buffers -------------------------------------------------------------- */

/*
 * Copies between @buf and the start of buffers.  Return: bytes, which are less
 * if the buffers are, or a negative errno.
 */
static int copy_segs(struct vireo_vm *vm, const struct vireo_seg *seg, u32 nr,
		     void *buf, u32 len, bool write)
{
	u32 done = 0, n;
	int ret;

	for (; nr && done < len; nr--, seg++, done += n) {
		n = min(len - done, seg->len);
		ret = vireo_map_copy(vm, seg->addr, buf + done, n, write);
		if (ret)
			return ret;
	}
	return done;
}

/**
 * vireo_vring_read() - copy from guest memory
 * @vring: of a queue
 * @addr: where
 * @to: to where
 * @len: bytes
 *
 * Return: as vring.h says.
 */
int vireo_vring_read(struct vireo_vring *vring, u64 addr, void *to, u32 len)
{
	struct vireo_queue *q = container_of(vring, struct vireo_queue, ring);

	return vireo_map_copy(q->vm, addr, to, len, false);
}

/* Takes bytes off the front of buffers, which have as many. */
static void trim_front(struct vireo_seg **seg, u16 *nr, u32 len)
{
	for (; *nr && len >= (*seg)->len; (*nr)--, (*seg)++)
		len -= (*seg)->len;
	if (len) {
		(*seg)->addr += len;
		(*seg)->len -= len;
	}
}

/* Bytes up to the end of the page, no more than @len. */
static u32 in_page(u64 addr, u64 len)
{
	return min_t(u64, len, PAGE_SIZE - offset_in_page(addr));
}

/* Vectors that bytes of buffers from @from on need: one per page of each. */
static u32 count_vecs(const struct vireo_seg *seg, u32 nr, u64 from, u32 bytes)
{
	u32 n = 0, len;
	u64 addr;

	for (; nr && bytes; nr--, seg++) {
		if (from >= seg->len) {
			from -= seg->len;
			continue;
		}
		addr = seg->addr + from;
		len = min_t(u64, bytes, seg->len - from);
		n += DIV_ROUND_UP(offset_in_page(addr) + (u64)len, PAGE_SIZE);
		bytes -= len;
		from = 0;
	}
	return n;
}

static int get_vec(struct vireo_req *req, u64 addr, u32 len)
{
	struct page *page =
		vireo_map_page(req->queue->vm, addr, vireo_req_reads(req));

	if (IS_ERR(page))
		return PTR_ERR(page);
	req->vecs[req->nr_vecs++] = (struct bio_vec){
		.bv_page = page,
		.bv_offset = offset_in_page(addr),
		.bv_len = len,
	};
	return 0;
}

static int get_vecs(struct vireo_req *req, const struct vireo_seg *seg, u32 nr,
		    u64 from, u32 bytes)
{
	u32 len, n;
	u64 addr;
	int ret;

	for (; nr && bytes; nr--, seg++) {
		if (from >= seg->len) {
			from -= seg->len;
			continue;
		}
		addr = seg->addr + from;
		len = min_t(u64, bytes, seg->len - from);
		bytes -= len;
		from = 0;
		for (; len; len -= n, addr += n) {
			n = in_page(addr, len);
			ret = get_vec(req, addr, n);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* Whether the disk can have what is in guest memory where it is. */
static bool vecs_ok(const struct vireo_req *req)
{
	const struct vireo_disk *disk = req->queue->disk;
	u32 i;

	for (i = 0; i < req->nr_vecs; i++)
		if (req->vecs[i].bv_offset & disk->mem_mask ||
		    req->vecs[i].bv_len & (disk->block_size - 1))
			return false;
	return true;
}

/* Copies between guest memory and what stands in for it. */
static void bounce(struct vireo_req *req, bool to_guest)
{
	u32 i, n, done = 0;

	for (i = 0; i < req->nr_vecs; i++) {
		const struct bio_vec *v = &req->vecs[i];
		u32 at = 0;

		for (; at < v->bv_len; at += n, done += n) {
			struct page *page =
				req->bounce[done / PAGE_SIZE].bv_page;
			u32 offset = done % PAGE_SIZE;

			n = min_t(u32, v->bv_len - at, PAGE_SIZE - offset);
			if (to_guest)
				memcpy_page(v->bv_page, v->bv_offset + at, page,
					    offset, n);
			else
				memcpy_page(page, offset, v->bv_page,
					    v->bv_offset + at, n);
		}
	}
}

static int get_bounce(struct vireo_req *req, u32 bytes)
{
	u32 nr = DIV_ROUND_UP(bytes, PAGE_SIZE);

	req->bounce = kmalloc_array(nr, sizeof(*req->bounce),
				    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!req->bounce)
		return -ENOMEM;
	for (; req->nr_bounce < nr; req->nr_bounce++) {
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT);

		if (!page)
			return -ENOMEM;
		req->bounce[req->nr_bounce] = (struct bio_vec){
			.bv_page = page,
			.bv_len = min_t(u32, bytes, PAGE_SIZE),
		};
		bytes -= req->bounce[req->nr_bounce].bv_len;
	}
	if (!vireo_req_reads(req))
		bounce(req, false);
	return 0;
}

/**
 * vireo_req_vecs() - get the guest memory that a request is about
 * @req: the request, which has none
 * @segs: its buffers
 * @nr_segs: of them
 * @from: first byte in them
 * @bytes: of them
 *
 * Return: 0 or a negative errno: -EFAULT if some is not memory.
 */
int vireo_req_vecs(struct vireo_req *req, const struct vireo_seg *segs,
		   u32 nr_segs, u64 from, u32 bytes)
{
	u32 nr = count_vecs(segs, nr_segs, from, bytes);
	int ret;

	req->vecs = req->inline_vecs;
	if (nr > VIREO_REQ_VECS)
		req->vecs = kmalloc_array(nr, sizeof(*req->vecs),
					  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!req->vecs) {
		req->vecs = req->inline_vecs;
		return -ENOMEM;
	}
	ret = get_vecs(req, segs, nr_segs, from, bytes);
	if (!ret && !vecs_ok(req))
		ret = get_bounce(req, bytes);
	if (ret)
		vireo_req_put_vecs(req);
	return ret;
}

/**
 * vireo_req_bounced() - give the guest what was read
 * @req: the request
 */
void vireo_req_bounced(struct vireo_req *req)
{
	if (unlikely(req->bounce) && vireo_req_reads(req))
		bounce(req, true);
}

/**
 * vireo_req_put_vecs() - let go of guest memory
 * @req: the request
 */
void vireo_req_put_vecs(struct vireo_req *req)
{
	u32 i;

	for (i = 0; i < req->nr_vecs; i++)
		put_page(req->vecs[i].bv_page);
	req->nr_vecs = 0;
	if (req->vecs != req->inline_vecs)
		kfree(req->vecs);
	req->vecs = req->inline_vecs;

	for (i = 0; i < req->nr_bounce; i++)
		put_page(req->bounce[i].bv_page);
	req->nr_bounce = 0;
	kfree(req->bounce);
	req->bounce = NULL;
}

/* ---- requests ------------------------------------------------------------- */

static enum vireo_read fail(struct vireo_req *req, int error)
{
	struct vireo_vring *ring = &req->queue->ring;

	if (error != -EFAULT)
		return VIREO_READ_AGAIN;
	vireo_vring_break(ring, VIREO_QUEUE_BAD_ADDR);
	return VIREO_READ_BAD;
}

static enum vireo_read status(struct vireo_req *req, u8 is, u8 *to)
{
	*to = is;
	/* What else is in front of it was not written. */
	req->put = 0;
	return VIREO_READ_STATUS;
}

/* Gets hold of the place for the status: the last byte. */
static int get_status(struct vireo_req *req, u64 at)
{
	struct page *page = vireo_map_page(req->queue->vm, at, true);

	if (IS_ERR(page))
		return PTR_ERR(page);
	req->status = page;
	req->status_offset = offset_in_page(at);
	return 0;
}

/* As a rule it is in the page that has the place for the status. */
static int copy_header(struct vireo_req *req, const struct vireo_chain *chain,
		       u64 status_at, struct virtio_blk_outhdr *header)
{
	u64 at = chain->seg[0].addr;
	int ret;

	if (likely(chain->seg[0].len >= sizeof(*header) &&
		   at >> PAGE_SHIFT == status_at >> PAGE_SHIFT &&
		   in_page(at, sizeof(*header)) == sizeof(*header))) {
		memcpy_from_page((char *)header, req->status,
				 offset_in_page(at), sizeof(*header));
		return 0;
	}
	ret = copy_segs(req->queue->vm, chain->seg, chain->nr_read, header,
			sizeof(*header), false);
	return min(ret, 0);
}

/* Cuts header and status off, and gets hold of the place for that. */
static enum vireo_read cut(struct vireo_req *req, struct vireo_chain *chain,
			   struct virtio_blk_outhdr *header,
			   struct vireo_seg **out)
{
	struct vireo_queue *q = req->queue;
	struct vireo_seg *last;
	u64 at;
	int ret;

	if (chain->read_len < sizeof(*header) || !chain->write_len) {
		vireo_vring_break(&q->ring, VIREO_QUEUE_BAD_REQUEST);
		return VIREO_READ_BAD;
	}
	last = &chain->seg[chain->nr_read + chain->nr_write - 1];
	at = last->addr + last->len - 1;
	ret = get_status(req, at);
	if (!ret)
		ret = copy_header(req, chain, at, header);
	if (ret)
		return fail(req, ret);

	*out = chain->seg;
	trim_front(out, &chain->nr_read, sizeof(*header));
	chain->read_len -= sizeof(*header);
	if (!--last->len)
		chain->nr_write--;
	chain->write_len--;
	return VIREO_READ_SUBMIT;
}

/* Whether sectors are there, and are what the disk can do. */
static bool range_ok(const struct vireo_req *req)
{
	const struct vireo_disk *disk = req->queue->disk;
	u64 bytes = READ_ONCE(disk->bytes);

	return req->sector <= bytes >> SECTOR_SHIFT &&
	       req->bytes <= bytes - (req->sector << SECTOR_SHIFT) &&
	       !(((req->sector << SECTOR_SHIFT) | req->bytes) &
		 (disk->block_size - 1));
}

static bool may_write(const struct vireo_req *req)
{
	return !(req->queue->disk->flags & VIREO_DISK_READONLY);
}

/* Reading and writing. */
static enum vireo_read read_data(struct vireo_req *req,
				 const struct vireo_seg *segs, u32 nr, u8 *to)
{
	const struct vireo_queue *q = req->queue;
	int ret;

	if (!range_ok(req) || (!vireo_req_reads(req) && !may_write(req)))
		return status(req, VIRTIO_BLK_S_IOERR, to);
	if (!req->bytes) {
		status(req, VIRTIO_BLK_S_OK, to);
		req->put = 1;
		return VIREO_READ_STATUS;
	}
	req->fua = !vireo_req_reads(req) &&
		   (q->disk->flags & VIREO_DISK_WRITETHROUGH ||
		    !(q->features & BIT_ULL(VIRTIO_BLK_F_FLUSH)));
	if (likely(req->bytes <= VIREO_REQ_BYTES)) {
		ret = vireo_req_vecs(req, segs, nr, 0, req->bytes);
		return ret ? fail(req, ret) : VIREO_READ_SUBMIT;
	}
	req->segs = kmemdup(segs, nr * sizeof(*segs), GFP_KERNEL_ACCOUNT);
	req->nr_segs = nr;
	return req->segs ? VIREO_READ_SUBMIT : VIREO_READ_AGAIN;
}

/* DISCARD and WRITE_ZEROES, of one range. */
static enum vireo_read read_range(struct vireo_req *req,
				  const struct vireo_chain *chain,
				  const struct vireo_seg *out, u8 *to)
{
	bool zero = req->op == VIREO_QUEUE_OP_ZERO;
	struct virtio_blk_discard_write_zeroes range;
	u32 flags, sectors;
	int ret;

	if (!(req->queue->features & BIT_ULL(zero ? VIRTIO_BLK_F_WRITE_ZEROES :
						    VIRTIO_BLK_F_DISCARD)) ||
	    chain->read_len != sizeof(range))
		return status(req, VIRTIO_BLK_S_UNSUPP, to);
	ret = copy_segs(req->queue->vm, out, chain->nr_read, &range,
			sizeof(range), false);
	if (ret < 0)
		return fail(req, ret);
	flags = le32_to_cpu(range.flags);
	sectors = le32_to_cpu(range.num_sectors);
	if (flags & ~(zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0U))
		return status(req, VIRTIO_BLK_S_UNSUPP, to);
	req->sector = le64_to_cpu(range.sector);
	req->bytes = (u64)sectors << SECTOR_SHIFT;
	if (!sectors || !range_ok(req) || !may_write(req) ||
	    sectors > (zero ? VIREO_QUEUE_MAX_ZERO : VIREO_QUEUE_MAX_DISCARD))
		return status(req, VIRTIO_BLK_S_IOERR, to);
	req->unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	req->fua = !(req->queue->features & BIT_ULL(VIRTIO_BLK_F_FLUSH));
	return VIREO_READ_SUBMIT;
}

static enum vireo_read read_id(struct vireo_req *req,
			       const struct vireo_chain *chain,
			       const struct vireo_seg *in, u8 *to)
{
	struct vireo_disk *disk = req->queue->disk;
	int ret;

	ret = copy_segs(req->queue->vm, in, chain->nr_write, disk->serial,
			sizeof(disk->serial), true);
	if (ret < 0)
		return fail(req, ret);
	*to = VIRTIO_BLK_S_OK;
	req->put = ret;
	if (req->put == chain->write_len)
		req->put++;
	return VIREO_READ_STATUS;
}

/**
 * vireo_req_read() - read what a request says
 * @req: the request; empty
 * @chain: what was taken; used up
 * @to: the status, if it is done already
 *
 * The queue's serve is held.
 *
 * Return: see there.
 */
enum vireo_read vireo_req_read(struct vireo_req *req, struct vireo_chain *chain,
			       u8 *to)
{
	struct virtio_blk_outhdr header;
	struct vireo_seg *out, *in;
	enum vireo_read ret;

	ret = cut(req, chain, &header, &out);
	if (ret != VIREO_READ_SUBMIT)
		return ret;
	in = out + chain->nr_read;
	req->type = __virtio32_to_cpu(true, header.type);
	req->sector = __virtio64_to_cpu(true, header.sector);
	req->put = 1;

	switch (req->type) {
	case VIRTIO_BLK_T_IN:
		req->op = VIREO_QUEUE_OP_READ;
		req->bytes = chain->write_len;
		req->put = chain->write_len + 1;
		return read_data(req, in, chain->nr_write, to);
	case VIRTIO_BLK_T_OUT:
		req->op = VIREO_QUEUE_OP_WRITE;
		req->bytes = chain->read_len;
		req->put = !chain->write_len;
		return read_data(req, out, chain->nr_read, to);
	case VIRTIO_BLK_T_FLUSH:
		req->op = VIREO_QUEUE_OP_FLUSH;
		req->sector = 0;
		req->put = !chain->write_len;
		return VIREO_READ_SUBMIT;
	case VIRTIO_BLK_T_GET_ID:
		req->op = VIREO_QUEUE_OP_ID;
		return read_id(req, chain, in, to);
	case VIRTIO_BLK_T_DISCARD:
		req->op = VIREO_QUEUE_OP_DISCARD;
		req->put = !chain->write_len;
		return read_range(req, chain, out, to);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		req->op = VIREO_QUEUE_OP_ZERO;
		req->put = !chain->write_len;
		return read_range(req, chain, out, to);
	default:
		req->op = VIREO_QUEUE_OP_OTHER;
		return status(req, VIRTIO_BLK_S_UNSUPP, to);
	}
}

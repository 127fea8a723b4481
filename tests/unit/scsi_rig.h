/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A SCSI unit with a disk in memory, and an initiator for it: for the tests
 * and the fuzzer of the command set.
 */
#ifndef TEST_SCSI_RIG_H
#define TEST_SCSI_RIG_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/scsi.h"

#define PIECES 7 /* that the initiator's buffers come in */

/* The block's, with its contents. */
struct memory_disk {
	struct block block;
	uint8_t *data;
	uint64_t kept; /* bytes of data; what lies behind is nowhere */
	bool later;    /* requests wait until disk_complete */
	int fails;     /* with this */
	struct block_req *waits;
	unsigned int ops[BLOCK_NR_OPS];
	unsigned int syncs, punches;
	bool *closed;
};

static inline struct memory_disk *memory_disk(struct block *block)
{
	return (struct memory_disk *)block;
}

static void disk_move(struct memory_disk *d, struct block_req *req)
{
	uint64_t at = req->offset, n;
	unsigned int i;

	for (i = 0; i < req->nr_iov; i++, at += n) {
		n = req->iov[i].iov_len;
		if (at + n > d->kept)
			continue;
		if (req->op == BLOCK_READ)
			memcpy(req->iov[i].iov_base, d->data + at, n);
		else
			memcpy(d->data + at, req->iov[i].iov_base, n);
	}
	if (at != req->offset + req->len)
		abort(); /* the buffers are not what the length says */
}

static void disk_carry_out(struct memory_disk *d, struct block_req *req)
{
	d->ops[req->op]++;
	d->syncs += req->sync;
	d->punches += req->punch;
	if (d->fails) {
		req->done(req, d->fails);
		return;
	}
	if (req->op == BLOCK_READ || req->op == BLOCK_WRITE)
		disk_move(d, req);
	else if (req->op != BLOCK_FLUSH && req->offset + req->len <= d->kept)
		memset(d->data + req->offset, 0, req->len);
	req->done(req, 0);
}

static void disk_submit(struct block *block, struct aio *aio,
			struct block_req *req)
{
	struct memory_disk *d = memory_disk(block);

	(void)aio;
	if (req->len % BLOCK_SECTOR || req->offset % BLOCK_SECTOR ||
	    req->offset > d->block.size ||
	    req->len > d->block.size - req->offset)
		abort(); /* what the block layer is not to be asked */
	if (!d->later) {
		disk_carry_out(d, req);
		return;
	}
	req->next = d->waits;
	d->waits = req;
}

/* One request that waits; false if none does. */
static inline bool disk_complete(struct memory_disk *d)
{
	struct block_req *req = d->waits;

	if (!req)
		return false;
	d->waits = req->next;
	disk_carry_out(d, req);
	return true;
}

static void disk_close(struct block *block)
{
	struct memory_disk *d = memory_disk(block);

	if (d->waits)
		abort(); /* in use */
	if (d->closed)
		*d->closed = true;
	free(d->data);
}

static const struct block_format memory_format = {
	.name = "memory",
	.close = disk_close,
	.submit = disk_submit,
};

/* Of @size bytes, of which @kept are really there: a pattern. */
static inline struct memory_disk *disk_new(uint64_t size, uint64_t kept,
					   uint32_t block)
{
	struct memory_disk *d = calloc(1, sizeof(*d));
	uint64_t i;

	if (!d)
		abort();
	d->block.format = &memory_format;
	d->block.fd = -1;
	d->block.size = size;
	d->block.block_size = block;
	d->data = malloc(kept);
	d->kept = kept;
	for (i = 0; i < kept; i++)
		d->data[i] = (uint8_t)(i ^ i >> 8 ^ 0x35);
	return d;
}

/* A command, and buffers in pieces of which ASan knows the ends. */
struct order {
	struct scsi_cmd cmd;
	struct iovec iov[PIECES], given[PIECES];
	unsigned int nr;
	unsigned int dones;
};

static void order_done(struct scsi_cmd *cmd)
{
	((struct order *)cmd)->dones++;
}

/* Buffers of @len bytes, that begin with @data if there is some. */
static inline void order_init(struct order *o, struct scsi_lun *lun,
			      const uint8_t *cdb, unsigned int cdb_len,
			      enum scsi_dir dir, const void *data, size_t len)
{
	size_t piece = len / PIECES + 1, at, n;

	memset(o, 0, sizeof(*o));
	o->cmd.lun = lun;
	memcpy(o->cmd.cdb, cdb,
	       cdb_len < SCSI_CDB_LEN ? cdb_len : SCSI_CDB_LEN);
	o->cmd.cdb_len = cdb_len < SCSI_CDB_LEN ? cdb_len : SCSI_CDB_LEN;
	o->cmd.done = order_done;
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		o->iov[o->nr].iov_base = malloc(n);
		o->iov[o->nr].iov_len = n;
		if (data)
			memcpy(o->iov[o->nr].iov_base,
			       (const uint8_t *)data + at, n);
		else
			memset(o->iov[o->nr].iov_base, 0xee, n);
		o->nr++;
	}
	memcpy(o->given, o->iov, sizeof(o->iov));
	o->cmd.dir = len ? dir : SCSI_NONE;
	o->cmd.iov = o->given;
	o->cmd.nr_iov = o->nr;
	o->cmd.len = len;
}

/* What the buffers hold. */
static inline void order_data(const struct order *o, uint8_t *data)
{
	unsigned int i;

	for (i = 0; i < o->nr; i++) {
		memcpy(data, o->iov[i].iov_base, o->iov[i].iov_len);
		data += o->iov[i].iov_len;
	}
}

static inline void order_free(struct order *o)
{
	unsigned int i;

	for (i = 0; i < o->nr; i++)
		free(o->iov[i].iov_base);
}

#endif

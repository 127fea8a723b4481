// SPDX-License-Identifier: GPL-2.0-or-later
/* From a CDB to the function that carries it out, and from step to step. */
#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../loop.h"
#include "../virtio/ring.h"

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

/* ---- CDBs ---------------------------------------------------------------- */

/* By the group of the operation code (SPC-4, 4.2.5.1); 0: none is known. */
static unsigned int cdb_len(uint8_t code)
{
	static const uint8_t len[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };

	return len[code >> 5];
}

uint64_t scsi_cdb_lba(const uint8_t *cdb)
{
	switch (cdb_len(cdb[0])) {
	case 6:
		return get24(cdb + 1) & 0x1fffff;
	case 16:
		return get64(cdb + 2);
	default:
		return get32(cdb + 2);
	}
}

uint32_t scsi_cdb_count(const uint8_t *cdb)
{
	switch (cdb_len(cdb[0])) {
	case 6:
		return cdb[4] ? cdb[4] : 256;
	case 10:
		return get16(cdb + 7);
	case 12:
		return get32(cdb + 6);
	default:
		return get32(cdb + 10);
	}
}

static const struct scsi_op *find_op(const struct scsi_cmd *cmd)
{
	const struct scsi_op *op;

	for (op = cmd->lun->type->ops; op->run; op++)
		if (op->code == cmd->cdb[0] &&
		    (!(op->flags & OP_ACTION) ||
		     op->action == (cmd->cdb[1] & 0x1f)))
			return op;
	return NULL;
}

/* Bytes of data that the CDB asks for. */
static uint64_t wanted_len(const struct scsi_cmd *cmd, const struct scsi_op *op)
{
	const uint8_t *field = cmd->cdb + op->length_at;
	uint64_t block = scsi_lun_block_size(cmd->lun);

	switch (op->length) {
	case LENGTH_BLOCKS:
		return scsi_cdb_count(cmd->cdb) * block;
	case LENGTH_VERIFY:
		return cmd->cdb[1] & 0x06 ? scsi_cdb_count(cmd->cdb) * block :
					    0;
	case LENGTH_PATTERN:
		/* NDOB is of WRITE SAME 16 only. */
		return cmd->cdb[0] == WRITE_SAME_16 && cmd->cdb[1] & 0x01 ?
			       0 :
			       block;
	case LENGTH_CAPACITY:
		return 8;
	default:
		break;
	}
	switch (op->length_size) {
	case 1:
		return field[0];
	case 2:
		return get16(field);
	case 4:
		return get32(field);
	default:
		return 0;
	}
}

/* ---- ends ---------------------------------------------------------------- */

void scsi_good(struct scsi_cmd *cmd, uint64_t moved)
{
	cmd->status = SCSI_GOOD;
	cmd->moved = moved;
}

void scsi_reply(struct scsi_cmd *cmd, const void *data, size_t len,
		size_t alloc)
{
	if (cmd->dir != SCSI_IN)
		alloc = 0; /* nothing was asked for */
	scsi_good(cmd, iov_put(cmd->iov, cmd->nr_iov, data,
			       len < alloc ? len : alloc));
}

/* Fixed format (SPC-4, 4.5.3). */
static void put_sense(uint8_t *sense, enum scsi_sense code)
{
	memset(sense, 0, SCSI_SENSE_LEN);
	sense[0] = 0x70;
	sense[2] = (uint8_t)(code >> 16);
	sense[7] = SCSI_SENSE_LEN - 8;
	sense[12] = (uint8_t)(code >> 8);
	sense[13] = (uint8_t)code;
}

void scsi_check(struct scsi_cmd *cmd, enum scsi_sense code)
{
	cmd->status = SCSI_CHECK_CONDITION;
	cmd->moved = 0;
	put_sense(cmd->sense, code);
	cmd->sense_len = SCSI_SENSE_LEN;
}

/* The field pointer, valid; of the CDB if @cd (SPC-4, 4.5.2.4.2). */
static void point_at(struct scsi_cmd *cmd, uint8_t cd, unsigned int at)
{
	cmd->sense[15] = 0x80 | cd;
	put16(cmd->sense + 16, (uint16_t)at);
}

void scsi_bad_field(struct scsi_cmd *cmd, unsigned int at)
{
	scsi_check(cmd, SENSE_INVALID_FIELD);
	point_at(cmd, 0x40, at);
}

void scsi_bad_parameter(struct scsi_cmd *cmd, unsigned int at)
{
	scsi_check(cmd, SENSE_INVALID_PARAMETER);
	point_at(cmd, 0, at);
}

void scsi_host_error(struct scsi_cmd *cmd, int ret, bool write)
{
	switch (ret) {
	case -ENOMEM:
	case -EAGAIN:
		cmd->status = SCSI_BUSY; /* the initiator tries again */
		break;
	case -ENOSPC:
	case -EDQUOT:
		scsi_check(cmd, SENSE_NO_SPACE);
		break;
	case -EROFS:
		scsi_check(cmd, SENSE_READONLY);
		break;
	case -EIO:
	case -ENODATA:
	case -EBADMSG:
		scsi_check(cmd, write ? SENSE_WRITE_ERROR : SENSE_READ_ERROR);
		break;
	default:
		scsi_check(cmd, SENSE_TARGET_FAILURE);
	}
}

/* ---- steps --------------------------------------------------------------- */

static void medium_put(struct scsi_medium *medium)
{
	if (!medium || --medium->users)
		return;
	block_close(medium->block);
	free(medium);
}

void scsi_drop(struct scsi_cmd *cmd)
{
	medium_put(cmd->medium);
	cmd->medium = NULL;
	free(cmd->buf);
	cmd->buf = NULL;
}

static void finish(struct scsi_cmd *cmd)
{
	scsi_drop(cmd);
	cmd->done(cmd);
}

/* False if it has failed, and is kept. */
static bool next_step(struct scsi_cmd *cmd)
{
	struct scsi_lun *lun = cmd->lun;

	cmd->returned = false;
	if (cmd->cancelled)
		return true;
	if (!cmd->ret)
		cmd->step(cmd);
	else if (lun->failed && lun->failed(lun, cmd, cmd->ret))
		return false;
	else
		scsi_host_error(cmd, cmd->ret, cmd->req.op != BLOCK_READ);
	return true;
}

/* False if that is for block_done to go on with, or scsi_go. */
static bool submit(struct scsi_cmd *cmd)
{
	cmd->wanted = false;
	cmd->inside = true;
	cmd->since = loop_now();
	block_submit(cmd->medium->block, cmd->aio, &cmd->req);
	cmd->inside = false;
	return cmd->returned && next_step(cmd);
}

/*
 * A request may be done before block_submit returns; that is a turn of the
 * loop here, not a call within a call, as a command may take any number.
 */
static void run(struct scsi_cmd *cmd)
{
	struct scsi_lun *lun = cmd->lun;

	while (cmd->wanted) {
		if (lun->admit && !lun->admit(lun, cmd))
			return;
		if (!submit(cmd))
			return;
	}
	finish(cmd);
}

void scsi_go(struct scsi_cmd *cmd)
{
	cmd->wanted = false;
	if (cmd->cancelled || submit(cmd))
		run(cmd);
}

static void block_done(struct block_req *req, int ret)
{
	struct scsi_cmd *cmd = container_of(req, struct scsi_cmd, req);

	if (cmd->lun->count)
		cmd->lun->count(cmd->lun, req, ret, loop_now() - cmd->since);
	cmd->ret = ret;
	cmd->returned = true;
	if (!cmd->inside && next_step(cmd))
		run(cmd);
}

void scsi_block(struct scsi_cmd *cmd, enum block_op op, uint64_t len,
		const struct iovec *iov, unsigned int nr_iov,
		void (*step)(struct scsi_cmd *cmd))
{
	uint64_t size = block_size(cmd->medium->block);

	/* The disk may have become smaller since the last step. */
	if (len && (cmd->offset > size || len > size - cmd->offset)) {
		scsi_check(cmd, SENSE_LBA_OUT_OF_RANGE);
		return;
	}
	cmd->req.op = op;
	cmd->req.offset = len ? cmd->offset : 0;
	cmd->req.len = len;
	cmd->req.iov = iov;
	cmd->req.nr_iov = nr_iov;
	cmd->req.done = block_done;
	cmd->step = step;
	cmd->wanted = true;
}

bool scsi_buffer(struct scsi_cmd *cmd, size_t len)
{
	/* O_DIRECT wants it to be as aligned as blocks are. */
	if (posix_memalign((void **)&cmd->buf, 4096, len)) {
		cmd->buf = NULL;
		cmd->status = SCSI_BUSY;
		return false;
	}
	cmd->buf_len = len;
	return true;
}

bool scsi_parameters(struct scsi_cmd *cmd, size_t len)
{
	if (!scsi_buffer(cmd, len ? len : 1))
		return false;
	cmd->buf_len = iov_get(cmd->iov, cmd->nr_iov, cmd->buf, len);
	return true;
}

void scsi_cancel(struct scsi_cmd *cmd)
{
	cmd->cancelled = true;
}

/* ---- units --------------------------------------------------------------- */

bool scsi_lun_is_cdrom(const struct scsi_lun *lun)
{
	return lun->type == &scsi_cdrom;
}

bool scsi_lun_readonly(const struct scsi_lun *lun)
{
	return lun->type->removable ||
	       (lun->medium && lun->medium->block->readonly);
}

uint32_t scsi_lun_block_size(const struct scsi_lun *lun)
{
	if (lun->type->block_size)
		return lun->type->block_size;
	return lun->medium ? lun->medium->block->block_size : 512;
}

uint64_t scsi_lun_blocks(const struct scsi_lun *lun)
{
	return lun->medium ? block_size(lun->medium->block) /
				     scsi_lun_block_size(lun) :
			     0;
}

static int medium_new(const struct scsi_lun *lun, struct block *block,
		      struct scsi_medium **out)
{
	uint32_t size = lun->type->block_size ? lun->type->block_size :
						block->block_size;
	struct scsi_medium *medium;

	if (size < 512 || size > SCSI_BLOCK_MAX || size & (size - 1) ||
	    block_size(block) < size)
		return -EINVAL;
	medium = malloc(sizeof(*medium));
	if (!medium)
		return -ENOMEM;
	medium->block = block;
	medium->users = 1;
	*out = medium;
	return 0;
}

int scsi_lun_init(struct scsi_lun *lun, const struct scsi_type *type,
		  struct block *block, const char *serial)
{
	int rc;

	memset(lun, 0, sizeof(*lun));
	lun->type = type;
	memcpy(lun->serial, serial, strnlen(serial, SCSI_SERIAL_MAX));
	lun->write_cache_default = true;
	if (block) {
		lun->write_cache_default = !block->writethrough;
		rc = medium_new(lun, block, &lun->medium);
		if (rc)
			return rc;
	}
	scsi_lun_reset(lun);
	return 0;
}

void scsi_lun_destroy(struct scsi_lun *lun)
{
	medium_put(lun->medium);
	lun->medium = NULL;
}

static void attend(struct scsi_lun *lun, enum scsi_attention why)
{
	lun->attentions |= 1U << why;
}

void scsi_lun_reset(struct scsi_lun *lun)
{
	lun->attentions = 0;
	attend(lun, SCSI_ATTENTION_RESET);
	lun->media_event = SCSI_MEDIA_NONE;
	lun->write_cache = lun->write_cache_default;
	lun->stopped = false;
	lun->locked = false;
}

void scsi_lun_resized(struct scsi_lun *lun)
{
	attend(lun, SCSI_ATTENTION_CAPACITY);
}

int scsi_lun_load(struct scsi_lun *lun, struct block *block)
{
	struct scsi_medium *medium = NULL;
	int rc;

	if (block) {
		rc = medium_new(lun, block, &medium);
		if (rc)
			return rc;
	}
	if (lun->medium && !lun->tray_open)
		lun->media_event = SCSI_MEDIA_REMOVED;
	medium_put(lun->medium);
	lun->medium = medium;
	lun->stopped = false;
	/* In an open tray, it is news when that is closed. */
	if (medium && !lun->tray_open) {
		lun->media_event = SCSI_MEDIA_NEW;
		attend(lun, SCSI_ATTENTION_MEDIUM);
	}
	return 0;
}

void scsi_lun_tray(struct scsi_lun *lun, bool open)
{
	if (lun->tray_open == open)
		return;
	lun->tray_open = open;
	lun->stopped = false;
	if (open)
		lun->locked = false;
	if (!lun->medium)
		return;
	lun->media_event = open ? SCSI_MEDIA_REMOVED : SCSI_MEDIA_NEW;
	if (!open)
		attend(lun, SCSI_ATTENTION_MEDIUM);
}

void scsi_lun_ask_eject(struct scsi_lun *lun)
{
	lun->media_event = SCSI_MEDIA_EJECT_REQUEST;
}

/* The reason that is to be told first; SENSE_NONE if there is none. */
static enum scsi_sense take_attention(struct scsi_lun *lun)
{
	static const enum scsi_sense senses[] = {
		[SCSI_ATTENTION_RESET] = SENSE_RESET,
		[SCSI_ATTENTION_MEDIUM] = SENSE_MEDIUM_CHANGED,
		[SCSI_ATTENTION_CAPACITY] = SENSE_CAPACITY_CHANGED,
	};
	unsigned int i;

	for (i = 0; i < SCSI_NR_ATTENTIONS; i++)
		if (lun->attentions & 1U << i) {
			lun->attentions &= (uint8_t) ~(1U << i);
			return senses[i];
		}
	return SENSE_NONE;
}

enum scsi_sense scsi_ready_sense(const struct scsi_lun *lun)
{
	if (lun->tray_open)
		return SENSE_TRAY_OPEN;
	if (!lun->medium)
		return SENSE_NO_MEDIUM;
	return lun->stopped ? SENSE_STOPPED : SENSE_NONE;
}

/* ---- commands ------------------------------------------------------------ */

void scsi_test_unit_ready(struct scsi_cmd *cmd)
{
	scsi_good(cmd, 0);
}

/* Tells what is pending, since nothing is left over from other commands. */
void scsi_request_sense(struct scsi_cmd *cmd)
{
	uint8_t data[SCSI_SENSE_LEN];
	enum scsi_sense sense;

	/* DESC: descriptors are not supported. */
	if (cmd->cdb[1] & 0x01) {
		scsi_bad_field(cmd, 1);
		return;
	}
	if (cmd->other_lun) {
		sense = SENSE_NO_LUN;
	} else {
		sense = take_attention(cmd->lun);
		if (!sense)
			sense = scsi_ready_sense(cmd->lun);
	}
	put_sense(data, sense);
	scsi_reply(cmd, data, sizeof(data), cmd->cdb[4]);
}

void scsi_report_luns(struct scsi_cmd *cmd)
{
	uint32_t alloc = get32(cmd->cdb + 6);
	uint8_t data[16] = { 0 };
	bool listed;

	if (cmd->cdb[2] > 2) {
		scsi_bad_field(cmd, 2);
		return;
	}
	if (alloc < sizeof(data)) {
		scsi_bad_field(cmd, 6);
		return;
	}
	/* There are no well-known units, which 1 asks for alone. */
	listed = cmd->cdb[2] != 1;
	put32(data, listed ? 8 : 0);
	scsi_reply(cmd, data, listed ? 16 : 8, alloc);
}

/* What a target says for a unit that it has not. */
static bool serves_other_lun(uint8_t code)
{
	return code == INQUIRY || code == REPORT_LUNS || code == REQUEST_SENSE;
}

static void start(struct scsi_cmd *cmd)
{
	const struct scsi_op *op = find_op(cmd);
	struct scsi_lun *lun = cmd->lun;
	unsigned int len = cdb_len(cmd->cdb[0]);
	enum scsi_sense sense;
	uint64_t wanted;

	if (!op) {
		scsi_check(cmd, SENSE_INVALID_OPCODE);
		return;
	}
	/* NACA, which is not supported, is in the last byte of each CDB. */
	if (len > cmd->cdb_len || cmd->cdb[len - 1] & 0x04) {
		scsi_bad_field(cmd, len - 1);
		return;
	}
	wanted = wanted_len(cmd, op);
	if (wanted && (cmd->dir != op->dir || wanted > cmd->len)) {
		cmd->overrun = true;
		return;
	}
	if (cmd->other_lun && !serves_other_lun(op->code)) {
		scsi_check(cmd, SENSE_NO_LUN);
		return;
	}
	sense = SENSE_NONE;
	if (!(op->flags & OP_ATTENTION))
		sense = take_attention(lun);
	if (!sense && op->flags & OP_MEDIUM)
		sense = scsi_ready_sense(lun);
	if (!sense && op->flags & OP_WRITES && scsi_lun_readonly(lun))
		sense = SENSE_READONLY;
	if (sense) {
		scsi_check(cmd, sense);
		return;
	}
	if (lun->medium) {
		cmd->medium = lun->medium;
		cmd->medium->users++;
	}
	op->run(cmd);
}

void scsi_submit(struct scsi_cmd *cmd)
{
	cmd->overrun = false;
	cmd->cancelled = false;
	cmd->status = SCSI_GOOD;
	cmd->sense_len = 0;
	cmd->moved = 0;
	cmd->medium = NULL;
	cmd->wanted = false;
	cmd->inside = false;
	cmd->returned = false;
	cmd->buf = NULL;
	cmd->buf_len = 0;
	cmd->offset = 0;
	cmd->left = 0;
	cmd->req.sync = false;
	cmd->req.punch = false;
	start(cmd);
	run(cmd);
}

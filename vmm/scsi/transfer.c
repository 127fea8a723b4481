// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands that move blocks, or act on ranges of them (SBC-3, 5). */
#include "command.h"

#include <string.h>

#include "../virtio/ring.h"

/* What is read or written through memory of our own, at a time. */
#define CHUNK 65536

#define MIN(a, b) ((a) < (b) ? (a) : (b))

static bool is_six(const struct scsi_cmd *cmd)
{
	return cmd->cdb[0] >> 5 == 0;
}

/* RDPROTECT and the like: there is no protection information. */
static bool wants_protection(struct scsi_cmd *cmd)
{
	if (is_six(cmd) || !(cmd->cdb[1] >> 5))
		return false;
	scsi_bad_field(cmd, 1);
	return true;
}

static bool fua(const struct scsi_cmd *cmd)
{
	return !is_six(cmd) && cmd->cdb[1] & 0x08;
}

/*
 * Sets offset and left to @count blocks from @lba; false after an end, if they
 * are not all there.
 */
static bool set_range(struct scsi_cmd *cmd, uint64_t lba, uint64_t count)
{
	uint64_t blocks = scsi_lun_blocks(cmd->lun);
	uint32_t size = scsi_lun_block_size(cmd->lun);

	if (lba >= blocks || count > blocks - lba) {
		scsi_check(cmd, SENSE_LBA_OUT_OF_RANGE);
		return false;
	}
	cmd->offset = lba * size;
	cmd->left = count * size;
	return true;
}

/* As the block limits page says; false after an end. */
static bool in_limit(struct scsi_cmd *cmd, uint32_t sectors)
{
	uint32_t limit = sectors / (scsi_lun_block_size(cmd->lun) / 512);
	static const uint8_t at[8] = { 4, 7, 7, 0, 10, 6, 0, 0 };

	if (scsi_cdb_count(cmd->cdb) <= limit)
		return true;
	scsi_bad_field(cmd, at[cmd->cdb[0] >> 5]);
	return false;
}

static bool set_cdb_range(struct scsi_cmd *cmd)
{
	return set_range(cmd, scsi_cdb_lba(cmd->cdb), scsi_cdb_count(cmd->cdb));
}

/* ---- READ, WRITE --------------------------------------------------------- */

static void all_moved(struct scsi_cmd *cmd)
{
	scsi_good(cmd, cmd->left);
}

static void move(struct scsi_cmd *cmd, enum block_op op)
{
	iov_trim_back(cmd->iov, &cmd->nr_iov, cmd->len - cmd->left);
	scsi_block(cmd, op, cmd->left, cmd->iov, cmd->nr_iov, all_moved);
}

static void move_in(struct scsi_cmd *cmd)
{
	move(cmd, BLOCK_READ);
}

void scsi_read(struct scsi_cmd *cmd)
{
	if (wants_protection(cmd) || !in_limit(cmd, TRANSFER_SECTORS) ||
	    !set_cdb_range(cmd))
		return;
	if (!cmd->left)
		scsi_good(cmd, 0);
	else if (fua(cmd) && !scsi_lun_readonly(cmd->lun))
		/* What it reads is to be on stable storage. */
		scsi_block(cmd, BLOCK_FLUSH, 0, NULL, 0, move_in);
	else
		move_in(cmd);
}

void scsi_write(struct scsi_cmd *cmd)
{
	if (wants_protection(cmd) || !in_limit(cmd, TRANSFER_SECTORS) ||
	    !set_cdb_range(cmd))
		return;
	if (!cmd->left) {
		scsi_good(cmd, 0);
		return;
	}
	cmd->req.sync = fua(cmd) || !cmd->lun->write_cache;
	move(cmd, BLOCK_WRITE);
}

static void flushed(struct scsi_cmd *cmd)
{
	scsi_good(cmd, 0);
}

/* IMMED, to be told before it is done, is a wish only. */
void scsi_synchronize_cache(struct scsi_cmd *cmd)
{
	if (!set_cdb_range(cmd))
		return;
	if (scsi_lun_readonly(cmd->lun))
		scsi_good(cmd, 0);
	else
		scsi_block(cmd, BLOCK_FLUSH, 0, NULL, 0, flushed);
}

/* ---- VERIFY -------------------------------------------------------------- */

/* Whether the buffers go on with @data; steps over it. */
static bool goes_on_with(struct scsi_cmd *cmd, const uint8_t *data, size_t len)
{
	size_t n;

	for (; len; len -= n, data += n) {
		n = MIN(len, cmd->iov->iov_len);
		if (memcmp(cmd->iov->iov_base, data, n) != 0)
			return false;
		iov_trim_front(&cmd->iov, &cmd->nr_iov, n);
	}
	return true;
}

static void verify_next(struct scsi_cmd *cmd);

static void verify_chunk(struct scsi_cmd *cmd)
{
	size_t n = cmd->chunk.iov_len;
	bool compare = cmd->cdb[1] & 0x02;

	if (compare && !goes_on_with(cmd, cmd->buf, n)) {
		scsi_check(cmd, SENSE_MISCOMPARE);
		return;
	}
	cmd->offset += n;
	cmd->left -= n;
	verify_next(cmd);
}

static void verify_next(struct scsi_cmd *cmd)
{
	if (!cmd->left) {
		scsi_good(cmd, cmd->cdb[1] & 0x02 ? cmd->len : 0);
		return;
	}
	cmd->chunk.iov_base = cmd->buf;
	cmd->chunk.iov_len = MIN(cmd->left, CHUNK);
	scsi_block(cmd, BLOCK_READ, cmd->chunk.iov_len, &cmd->chunk, 1,
		   verify_chunk);
}

/* Reads it all, and with BYTCHK 1 compares it to what the initiator has. */
void scsi_verify(struct scsi_cmd *cmd)
{
	if (wants_protection(cmd))
		return;
	if (cmd->cdb[1] & 0x04) {
		scsi_bad_field(cmd, 1);
		return;
	}
	if (!in_limit(cmd, TRANSFER_SECTORS) || !set_cdb_range(cmd))
		return;
	if (!cmd->left) {
		scsi_good(cmd, 0);
		return;
	}
	if (cmd->cdb[1] & 0x02) {
		iov_trim_back(cmd->iov, &cmd->nr_iov, cmd->len - cmd->left);
		cmd->len = cmd->left; /* what is moved in the end */
	}
	if (scsi_buffer(cmd, CHUNK))
		verify_next(cmd);
}

/* ---- WRITE SAME ---------------------------------------------------------- */

static void zeroed(struct scsi_cmd *cmd)
{
	/* Nothing was needed of who has NDOB. */
	scsi_good(cmd, cmd->buf_len);
}

static void pattern_next(struct scsi_cmd *cmd);

static void pattern_written(struct scsi_cmd *cmd)
{
	cmd->offset += cmd->chunk.iov_len;
	cmd->left -= cmd->chunk.iov_len;
	pattern_next(cmd);
}

static void pattern_next(struct scsi_cmd *cmd)
{
	if (!cmd->left) {
		scsi_good(cmd, scsi_lun_block_size(cmd->lun));
		return;
	}
	cmd->chunk.iov_base = cmd->buf;
	cmd->chunk.iov_len = MIN(cmd->left, cmd->buf_len);
	scsi_block(cmd, BLOCK_WRITE, cmd->chunk.iov_len, &cmd->chunk, 1,
		   pattern_written);
}

static bool is_zero(const uint8_t *data, size_t len)
{
	return !data[0] && !memcmp(data, data + 1, len - 1);
}

/* A block of other than zeros has to be written, again and again. */
static void write_pattern(struct scsi_cmd *cmd, const uint8_t *block,
			  size_t size)
{
	size_t n;

	if (!scsi_buffer(cmd, MIN(cmd->left, CHUNK)))
		return;
	for (n = 0; n < cmd->buf_len; n += size)
		memcpy(cmd->buf + n, block, size);
	pattern_next(cmd);
}

void scsi_write_same(struct scsi_cmd *cmd)
{
	bool long_cdb = cmd->cdb[0] == WRITE_SAME_16;
	bool no_data = long_cdb && cmd->cdb[1] & 0x01;
	size_t size = scsi_lun_block_size(cmd->lun);
	uint8_t block[SCSI_BLOCK_MAX] = { 0 };

	if (wants_protection(cmd))
		return;
	/* ANCHOR; PBDATA and LBDATA of older standards */
	if (cmd->cdb[1] & 0x16) {
		scsi_bad_field(cmd, 1);
		return;
	}
	/* WSNZ: 0 is not all that follows. */
	if (!scsi_cdb_count(cmd->cdb)) {
		scsi_bad_field(cmd, long_cdb ? 10 : 7);
		return;
	}
	if (!in_limit(cmd, WRITE_SAME_SECTORS) || !set_cdb_range(cmd))
		return;
	if (!no_data)
		iov_get(cmd->iov, cmd->nr_iov, block, size);
	cmd->req.sync = !cmd->lun->write_cache;
	if (!is_zero(block, size)) {
		write_pattern(cmd, block, size);
		return;
	}
	cmd->req.punch = cmd->cdb[1] & 0x08; /* UNMAP */
	cmd->buf_len = no_data ? 0 : size;
	scsi_block(cmd, BLOCK_ZERO, cmd->left, NULL, 0, zeroed);
}

/* ---- UNMAP --------------------------------------------------------------- */

#define UNMAP_HEADER 8
#define UNMAP_DESCRIPTOR 16

/* Of descriptor @at; false after an end. */
static bool set_unmap_range(struct scsi_cmd *cmd, size_t at)
{
	return set_range(cmd, get64(cmd->buf + at), get32(cmd->buf + at + 8));
}

/* chunk.iov_len is where the next descriptor is. */
static void unmap_next(struct scsi_cmd *cmd)
{
	size_t at = cmd->chunk.iov_len;

	for (; at < cmd->buf_len; at += UNMAP_DESCRIPTOR)
		if (get32(cmd->buf + at + 8)) {
			if (!set_unmap_range(cmd, at))
				return;
			cmd->chunk.iov_len = at + UNMAP_DESCRIPTOR;
			scsi_block(cmd, BLOCK_DISCARD, cmd->left, NULL, 0,
				   unmap_next);
			return;
		}
	scsi_good(cmd, get16(cmd->cdb + 7));
}

/* All of it before anything is done; false after an end. */
static bool check_descriptors(struct scsi_cmd *cmd)
{
	uint32_t limit = UNMAP_SECTORS / (scsi_lun_block_size(cmd->lun) / 512);
	uint64_t total = 0;
	size_t at;

	for (at = UNMAP_HEADER; at < cmd->buf_len; at += UNMAP_DESCRIPTOR) {
		total += get32(cmd->buf + at + 8);
		if (total > limit) {
			scsi_bad_parameter(cmd, (unsigned int)at + 8);
			return false;
		}
		if (get32(cmd->buf + at + 8) && !set_unmap_range(cmd, at))
			return false;
	}
	return true;
}

void scsi_unmap(struct scsi_cmd *cmd)
{
	size_t given = get16(cmd->cdb + 7), len;

	/* ANCHOR */
	if (cmd->cdb[1] & 0x01) {
		scsi_bad_field(cmd, 1);
		return;
	}
	if (!given) {
		scsi_good(cmd, 0);
		return;
	}
	if (given < UNMAP_HEADER) {
		scsi_check(cmd, SENSE_PARAMETER_LENGTH);
		return;
	}
	if (!scsi_parameters(cmd, given))
		return;
	/* A rest that is no whole descriptor is ignored (SBC-3, 5.28.2). */
	len = MIN(get16(cmd->buf + 2), given - UNMAP_HEADER);
	len -= len % UNMAP_DESCRIPTOR;
	if (len > UNMAP_DESCRIPTORS * UNMAP_DESCRIPTOR) {
		scsi_bad_parameter(cmd, 2);
		return;
	}
	cmd->buf_len = UNMAP_HEADER + len;
	if (!check_descriptors(cmd))
		return;
	cmd->chunk.iov_len = UNMAP_HEADER;
	unmap_next(cmd);
}

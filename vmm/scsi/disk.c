// SPDX-License-Identifier: GPL-2.0-or-later
/* Direct-access block devices (SBC-3). */
#include "command.h"

/* ---- capacity ------------------------------------------------------------ */

/* Of a CD-ROM as well, for which MMC-6, 6.23 has the same. */
void scsi_read_capacity_10(struct scsi_cmd *cmd)
{
	uint64_t last = scsi_lun_blocks(cmd->lun) - 1;
	uint8_t data[8];

	/* An address, and PMI, which would give it a meaning: obsolete. */
	if (cmd->cdb[8] & 0x01 || get32(cmd->cdb + 2)) {
		scsi_bad_field(cmd, cmd->cdb[8] & 0x01 ? 8 : 2);
		return;
	}
	put32(data, last < UINT32_MAX ? (uint32_t)last : UINT32_MAX);
	put32(data + 4, scsi_lun_block_size(cmd->lun));
	scsi_reply(cmd, data, sizeof(data), sizeof(data));
}

static bool is_thin(const struct scsi_lun *lun)
{
	return !scsi_lun_readonly(lun);
}

static void read_capacity_16(struct scsi_cmd *cmd)
{
	uint8_t data[32] = { 0 };

	if (cmd->cdb[14] & 0x01 || get64(cmd->cdb + 2)) {
		scsi_bad_field(cmd, cmd->cdb[14] & 0x01 ? 14 : 2);
		return;
	}
	put64(data, scsi_lun_blocks(cmd->lun) - 1);
	put32(data + 8, scsi_lun_block_size(cmd->lun));
	data[14] = is_thin(cmd->lun) ? 0x80 : 0; /* LBPME */
	scsi_reply(cmd, data, sizeof(data), get32(cmd->cdb + 10));
}

/* ---- START STOP UNIT ----------------------------------------------------- */

static void stopped(struct scsi_cmd *cmd)
{
	cmd->lun->stopped = true;
	scsi_good(cmd, 0);
}

/* What opens and closes a tray is a drive's: cdrom.c. */
static void disk_start_stop(struct scsi_cmd *cmd)
{
	uint8_t what = cmd->cdb[4];

	if (what & 0x02) { /* LOEJ */
		scsi_bad_field(cmd, 4);
		return;
	}
	/* Power conditions are the host's business. */
	if (what >> 4)
		scsi_good(cmd, 0);
	else if (what & 0x01 || what & 0x04 || scsi_lun_readonly(cmd->lun)) {
		cmd->lun->stopped = !(what & 0x01);
		scsi_good(cmd, 0);
	} else {
		scsi_block(cmd, BLOCK_FLUSH, 0, NULL, 0, stopped);
	}
}

/* ---- vital product data -------------------------------------------------- */

/* SBC-3, 6.5.3; the rest is zero: no limit. */
static size_t block_limits(const struct scsi_lun *lun, uint8_t *page)
{
	uint32_t per_block = scsi_lun_block_size(lun) / 512;

	page[4] = 0x01; /* WSNZ: WRITE SAME takes no 0 blocks for all */
	put32(page + 8, TRANSFER_SECTORS / per_block);
	if (is_thin(lun)) {
		put32(page + 20, UNMAP_SECTORS / per_block);
		put32(page + 24, UNMAP_DESCRIPTORS);
	}
	put64(page + 36, WRITE_SAME_SECTORS / per_block);
	return 64;
}

static size_t characteristics(const struct scsi_lun *lun, uint8_t *page)
{
	(void)lun;
	put16(page + 4, 1); /* does not rotate */
	return 64;
}

static size_t provisioning(const struct scsi_lun *lun, uint8_t *page)
{
	if (is_thin(lun)) {
		page[5] = 0xe0; /* LBPU, LBPWS, LBPWS10 */
		page[6] = 0x02; /* thin */
	}
	return 8;
}

static const struct scsi_vpd_page disk_vpd[] = {
	{ 0x80, scsi_vpd_serial }, { 0x83, scsi_vpd_id },
	{ 0xb0, block_limits },	   { 0xb1, characteristics },
	{ 0xb2, provisioning },	   { 0 },
};

/* ---- mode pages ---------------------------------------------------------- */

static void error_recovery(const struct scsi_lun *lun,
			   enum scsi_mode_values values, uint8_t *page)
{
	(void)lun;
	if (values != MODE_CHANGEABLE)
		page[2] = 0x80; /* AWRE */
}

static void caching(const struct scsi_lun *lun, enum scsi_mode_values values,
		    uint8_t *page)
{
	if (values == MODE_CHANGEABLE ||
	    (values == MODE_DEFAULT ? lun->write_cache_default :
				      lun->write_cache))
		page[2] = 0x04; /* WCE */
}

static void control(const struct scsi_lun *lun, enum scsi_mode_values values,
		    uint8_t *page)
{
	(void)lun;
	if (values != MODE_CHANGEABLE)
		page[3] = 0x10; /* commands may overtake each other */
}

static const struct scsi_mode_page disk_pages[] = {
	{ 0x01, 12, error_recovery },
	{ 0x08, 20, caching },
	{ 0x0a, 12, control },
	{ 0 },
};

/* ---- the type ------------------------------------------------------------ */

static const struct scsi_op disk_ops[] = {
	SCSI_COMMON_OPS,
	OP_PLAIN(START_STOP_UNIT, disk_start_stop, 0),
	OP_BLOCKS(READ_6, scsi_read, 0, SCSI_IN, LENGTH_BLOCKS),
	OP_BLOCKS(READ_10, scsi_read, 0, SCSI_IN, LENGTH_BLOCKS),
	OP_BLOCKS(READ_12, scsi_read, 0, SCSI_IN, LENGTH_BLOCKS),
	OP_BLOCKS(READ_16, scsi_read, 0, SCSI_IN, LENGTH_BLOCKS),
	OP_BLOCKS(WRITE_6, scsi_write, OP_WRITES, SCSI_OUT, LENGTH_BLOCKS),
	OP_BLOCKS(WRITE_10, scsi_write, OP_WRITES, SCSI_OUT, LENGTH_BLOCKS),
	OP_BLOCKS(WRITE_12, scsi_write, OP_WRITES, SCSI_OUT, LENGTH_BLOCKS),
	OP_BLOCKS(WRITE_16, scsi_write, OP_WRITES, SCSI_OUT, LENGTH_BLOCKS),
	OP_BLOCKS(VERIFY_10, scsi_verify, 0, SCSI_OUT, LENGTH_VERIFY),
	OP_BLOCKS(VERIFY_12, scsi_verify, 0, SCSI_OUT, LENGTH_VERIFY),
	OP_BLOCKS(VERIFY_16, scsi_verify, 0, SCSI_OUT, LENGTH_VERIFY),
	OP_BLOCKS(WRITE_SAME_10, scsi_write_same, OP_WRITES, SCSI_OUT,
		  LENGTH_PATTERN),
	OP_BLOCKS(WRITE_SAME_16, scsi_write_same, OP_WRITES, SCSI_OUT,
		  LENGTH_PATTERN),
	OP_FIELD(UNMAP, scsi_unmap, OP_MEDIUM | OP_WRITES, SCSI_OUT, 7, 2),
	OP_PLAIN(SYNCHRONIZE_CACHE_10, scsi_synchronize_cache, OP_MEDIUM),
	OP_PLAIN(SYNCHRONIZE_CACHE_16, scsi_synchronize_cache, OP_MEDIUM),
	{ .code = SERVICE_ACTION_IN_16,
	  .action = READ_CAPACITY_16,
	  .run = read_capacity_16,
	  .flags = OP_ACTION | OP_MEDIUM,
	  .dir = SCSI_IN,
	  .length_at = 10,
	  .length_size = 4 },
	{ 0 },
};

const struct scsi_type scsi_disk = {
	.product = "DISK            ",
	.device_type = 0x00,
	.mode_parameter = 0x10, /* DPOFUA */
	.mode_block = true,
	.ops = disk_ops,
	.pages = disk_pages,
	.vpd = disk_vpd,
};

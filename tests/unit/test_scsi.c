// SPDX-License-Identifier: GPL-2.0-or-later
/* The SCSI command set, of a disk. */
#include "scsi_fixture.h"

static const struct row disk_rows[] = {
	IN("VPD list", 255, 0, 10, 0, 0x12, 1, 0, 0, 255, 0),
	IN("VPD block limits", 255, 0, 64, 0, 0x12, 1, 0xb0, 0, 255, 0),
	IN("VPD characteristics", 255, 0, 64, 0, 0x12, 1, 0xb1, 0, 255, 0),
	IN("VPD provisioning", 255, 0, 8, 0, 0x12, 1, 0xb2, 0, 255, 0),
	IN("MODE SENSE 6, all", 192, 0, 56, 0, 0x1a, 0, 0x3f, 0, 192, 0),
	IN("MODE SENSE 6, DBD", 192, 0, 48, 0, 0x1a, 8, 0x3f, 0, 192, 0),
	IN("MODE SENSE 6, subpages", 192, 0, 56, 0, 0x1a, 0, 0x3f, 0xff, 192,
	   0),
	IN("MODE SENSE 6, caching", 192, 0, 32, 0, 0x1a, 0, 0x08, 0, 192, 0),
	IN("MODE SENSE 10, caching", 192, 0, 36, 0, 0x5a, 0, 0x08, 0, 0, 0, 0,
	   0, 192, 0),
	IN("MODE SENSE 10, LLBAA", 192, 0, 44, 0, 0x5a, 0x10, 0x08, 0, 0, 0, 0,
	   0, 192, 0),

	IN("READ 6", 512, 0, 512, 0, 0x08, 0, 0, 0, 1, 0),
	IN("READ 6, 256 by 0", KEPT, 0, KEPT, 0, 0x08, 0, 0, 0, 0, 0),
	IN("READ 6, 256 by 0, overrun", 512, OVERRUN, 0, 0, 0x08, 0, 0, 0, 0,
	   0),
	IN("READ 6, past the end", KEPT, BAD_LBA, 0, 0, 0x08, 0, 0, 1, 0, 0),
	IN("READ 6, 21 bits", 512, BAD_LBA, 0, 0, 0x08, 0x1f, 0xff, 0xff, 1, 0),
	IN("READ 10", 1024, 0, 1024, 0, 0x28, 0, 0, 0, 0, 3, 0, 0, 2, 0),
	IN("READ 10, residual", 4096, 0, 1024, 0, 0x28, 0, 0, 0, 0, 3, 0, 0, 2,
	   0),
	IN("READ 10, overrun", 1023, OVERRUN, 0, 0, 0x28, 0, 0, 0, 0, 3, 0, 0,
	   2, 0),
	IN("READ 10, none", 512, 0, 0, 0, 0x28, 0, 0, 0, 0, 3, 0, 0, 0, 0),
	IN("READ 10, none past the end", 512, BAD_LBA, 0, 0, 0x28, 0, 0, 0, 1,
	   0, 0, 0, 0, 0),
	IN("READ 10, last", 512, 0, 512, 0, 0x28, 0, 0, 0, 0, 0xff, 0, 0, 1, 0),
	IN("READ 10, over the end", 1024, BAD_LBA, 0, 0, 0x28, 0, 0, 0, 0, 0xff,
	   0, 0, 2, 0),
	IN("READ 10, far", 512, BAD_LBA, 0, 0, 0x28, 0, 0xff, 0xff, 0xff, 0xff,
	   0, 0, 1, 0),
	IN("READ 10, RDPROTECT", 512, BAD_FIELD, 0, 1, 0x28, 0x20, 0, 0, 0, 0,
	   0, 0, 1, 0),
	IN("READ 10, DPO and FUA", 512, 0, 512, 0, 0x28, 0x18, 0, 0, 0, 0, 0, 0,
	   1, 0),
	IN("READ 12", 512, 0, 512, 0, 0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0),
	IN("READ 12, 2^32", 512, OVERRUN, 0, 0, 0xa8, 0, 0, 0, 0, 3, 0xff, 0xff,
	   0xff, 0xff, 0, 0),
	IN("READ 16", 512, 0, 512, 0, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0,
	   1, 0, 0),
	IN("READ 16, wraps", 512, BAD_LBA, 0, 0, 0x88, 0, 0xff, 0xff, 0xff,
	   0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0),
	IN("READ 16, bytes wrap", 512, BAD_LBA, 0, 0, 0x88, 0, 0, 0x80, 0, 0, 0,
	   0, 0, 0, 0, 0, 0, 1, 0, 0),
	IN("READ 16, 4 GiB down", 512, BAD_LBA, 0, 0, 0x88, 0, 0, 0, 0, 1, 0, 0,
	   0, 0, 0, 0, 0, 1, 0, 0),
	OUT("READ 10, wrong way", 512, OVERRUN, 0, 0, 0x28, 0, 0, 0, 0, 3, 0, 0,
	    1, 0),

	OUT("WRITE 6", 512, 0, 512, 0, 0x0a, 0, 0, 0, 1, 0),
	OUT("WRITE 10", 512, 0, 512, 0, 0x2a, 0, 0, 0, 0, 3, 0, 0, 1, 0),
	OUT("WRITE 10, residual", 2048, 0, 512, 0, 0x2a, 0, 0, 0, 0, 3, 0, 0, 1,
	    0),
	OUT("WRITE 10, none", 0, 0, 0, 0, 0x2a, 0, 0, 0, 0, 3, 0, 0, 0, 0),
	OUT("WRITE 10, overrun", 511, OVERRUN, 0, 0, 0x2a, 0, 0, 0, 0, 3, 0, 0,
	    1, 0),
	OUT("WRITE 10, WRPROTECT", 512, BAD_FIELD, 0, 1, 0x2a, 0xe0, 0, 0, 0, 3,
	    0, 0, 1, 0),
	OUT("WRITE 12", 512, 0, 512, 0, 0xaa, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0),
	OUT("WRITE 16", 512, 0, 512, 0, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0,
	    0, 1, 0, 0),
	OUT("WRITE 16, wraps", 1024, BAD_LBA, 0, 0, 0x8a, 0, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 0),
	IN("WRITE 10, wrong way", 512, OVERRUN, 0, 0, 0x2a, 0, 0, 0, 0, 3, 0, 0,
	   1, 0),

	NO("VERIFY 10", 0, 0, 0x2f, 0, 0, 0, 0, 0, 0, 0, 8, 0),
	NO("VERIFY 10, all", 0, 0, 0x2f, 0, 0, 0, 0, 0, 0, 1, 0, 0),
	NO("VERIFY 10, over the end", BAD_LBA, 0, 0x2f, 0, 0, 0, 0, 1, 0, 1, 0,
	   0),
	NO("VERIFY 10, none", 0, 0, 0x2f, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	NO("VERIFY 12", 0, 0, 0xaf, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0),
	NO("VERIFY 12, more than the limit", BAD_FIELD, 6, 0xaf, 0, 0, 0, 0, 0,
	   0, 1, 0, 1, 0, 0),
	NO("VERIFY 16", 0, 0, 0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0,
	   0),
	NO("VERIFY 16, limit", BAD_FIELD, 10, 0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	   0xff, 0xff, 0xff, 0xff, 0, 0),
	NO("VERIFY 10, BYTCHK without data", OVERRUN, 0, 0x2f, 2, 0, 0, 0, 0, 0,
	   0, 8, 0),
	OUT("VERIFY 10, BYTCHK 2", 512, BAD_FIELD, 0, 1, 0x2f, 4, 0, 0, 0, 0, 0,
	    0, 1, 0),
	OUT("VERIFY 10, BYTCHK 3", 512, BAD_FIELD, 0, 1, 0x2f, 6, 0, 0, 0, 0, 0,
	    0, 1, 0),
	NO("VERIFY 10, VRPROTECT", BAD_FIELD, 1, 0x2f, 0x20, 0, 0, 0, 0, 0, 0,
	   8, 0),

	OUT("WRITE SAME 10", 512, 0, 512, 0, 0x41, 0, 0, 0, 0, 3, 0, 0, 2, 0),
	OUT("WRITE SAME 10, unmap", 512, 0, 512, 0, 0x41, 8, 0, 0, 0, 3, 0, 0,
	    2, 0),
	OUT("WRITE SAME 10, all that follow", 512, BAD_FIELD, 0, 7, 0x41, 0, 0,
	    0, 0, 3, 0, 0, 0, 0),
	OUT("WRITE SAME 10, half a block", 256, OVERRUN, 0, 0, 0x41, 0, 0, 0, 0,
	    3, 0, 0, 2, 0),
	OUT("WRITE SAME 10, over the end", 512, BAD_LBA, 0, 0, 0x41, 0, 0, 0, 0,
	    0xff, 0, 0, 2, 0),
	OUT("WRITE SAME 10, ANCHOR", 512, BAD_FIELD, 0, 1, 0x41, 0x18, 0, 0, 0,
	    3, 0, 0, 2, 0),
	OUT("WRITE SAME 10, PBDATA", 512, BAD_FIELD, 0, 1, 0x41, 0x04, 0, 0, 0,
	    3, 0, 0, 2, 0),
	OUT("WRITE SAME 10, LBDATA", 512, BAD_FIELD, 0, 1, 0x41, 0x02, 0, 0, 0,
	    3, 0, 0, 2, 0),
	OUT("WRITE SAME 10, WRPROTECT", 512, BAD_FIELD, 0, 1, 0x41, 0x20, 0, 0,
	    0, 3, 0, 0, 2, 0),
	OUT("WRITE SAME 16", 512, 0, 512, 0, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0,
	    0, 0, 2, 0, 0),
	NO("WRITE SAME 16, NDOB", 0, 0, 0x93, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0,
	   0, 2, 0, 0),
	OUT("WRITE SAME 16, limit", 512, BAD_FIELD, 0, 10, 0x93, 0, 0, 0, 0, 0,
	    0, 0, 0, 3, 0, 1, 0, 1, 0, 0),
	OUT("WRITE SAME 16, wraps", 512, BAD_LBA, 0, 0, 0x93, 0, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 0),

	OUT("UNMAP, 0", 64, 0, 0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	OUT("UNMAP, 7", 64, BAD_LENGTH, 0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 7, 0),
	OUT("UNMAP, header", 64, 0, 8, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 8, 0),
	OUT("UNMAP, ANCHOR", 64, BAD_FIELD, 0, 1, 0x42, 1, 0, 0, 0, 0, 0, 0, 24,
	    0),
	OUT("UNMAP, overrun", 64, OVERRUN, 0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 65,
	    0),

	NO("SYNCHRONIZE CACHE 10", 0, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	NO("SYNCHRONIZE CACHE 10, IMMED", 0, 0, 0x35, 2, 0, 0, 0, 0, 0, 0, 0,
	   0),
	NO("SYNCHRONIZE CACHE 10, past the end", BAD_LBA, 0, 0x35, 0, 0, 0, 1,
	   0, 0, 0, 0, 0),
	NO("SYNCHRONIZE CACHE 10, over the end", BAD_LBA, 0, 0x35, 0, 0, 0, 0,
	   1, 0, 1, 0, 0),
	NO("SYNCHRONIZE CACHE 16", 0, 0, 0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	   0, 0, 0, 0),
	NO("SYNCHRONIZE CACHE 16, wraps", BAD_LBA, 0, 0x91, 0, 0xff, 0xff, 0xff,
	   0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 0),

	IN("READ CAPACITY 16", 32, 0, 32, 0, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0,
	   0, 0, 0, 32, 0, 0),
	IN("READ CAPACITY 16, 12", 32, 0, 12, 0, 0x9e, 0x10, 0, 0, 0, 0, 0, 0,
	   0, 0, 0, 0, 0, 12, 0, 0),
	IN("READ CAPACITY 16, 0", 32, 0, 0, 0, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0,
	   0, 0, 0, 0, 0, 0, 0),
	IN("READ CAPACITY 16, PMI", 32, BAD_FIELD, 0, 14, 0x9e, 0x10, 0, 0, 0,
	   0, 0, 0, 0, 0, 0, 0, 0, 32, 1, 0),
	IN("SERVICE ACTION IN, other", 32, BAD_OPCODE, 0, 0, 0x9e, 0x12, 0, 0,
	   0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0),

	NO("STOP", 0, 0, 0x1b, 0, 0, 0, 0, 0),
	NO("ready when stopped", 0x020402, 0, 0, 0, 0, 0, 0, 0),
	IN("READ when stopped", 512, 0x020402, 0, 0, 0x28, 0, 0, 0, 0, 0, 0, 0,
	   1, 0),
	IN("INQUIRY when stopped", 36, 0, 36, 0, 0x12, 0, 0, 0, 36, 0),
	NO("START", 0, 0, 0x1b, 0, 0, 0, 1, 0),
	NO("ready when started", 0, 0, 0, 0, 0, 0, 0, 0),
	NO("STOP, NO FLUSH", 0, 0, 0x1b, 0, 0, 0, 4, 0),
	NO("START again", 0, 0, 0x1b, 0, 0, 0, 1, 0),
	NO("power condition", 0, 0, 0x1b, 0, 0, 0, 0x30, 0),
	NO("still ready", 0, 0, 0, 0, 0, 0, 0, 0),
	NO("LOEJ", BAD_FIELD, 4, 0x1b, 0, 0, 0, 2, 0),
	NO("PREVENT", BAD_OPCODE, 0, 0x1e, 0, 0, 0, 1, 0),
	IN("READ TOC", 64, BAD_OPCODE, 0, 0, 0x43, 0, 0, 0, 0, 0, 0, 0, 64, 0),
};

static int setup_disk(void **state)
{
	*state = make(&scsi_disk, disk_new(KEPT, KEPT, 512));
	return 0;
}

static void test_disk_rows(void **state)
{
	struct fixture *f = *state;

	CHECK_ROWS(f, any_rows);
	CHECK_ROWS(f, disk_rows);
	f->disk->later = true;
	CHECK_ROWS(f, any_rows);
	CHECK_ROWS(f, disk_rows);
}

static void test_sweep_disk(void **state)
{
	sweep(*state);
}

/* Whatever a command with an allocation length gives is cut off there. */
static void test_allocation_lengths(void **state)
{
	static const struct {
		uint8_t cdb[16];
		unsigned int cdb_len, at, least;
	} cmds[] = {
		{ { 0x12, 0, 0, 0, 0 }, 6, 4, 0 },
		{ { 0x12, 1, 0x00 }, 6, 4, 0 },
		{ { 0x12, 1, 0x80 }, 6, 4, 0 },
		{ { 0x12, 1, 0x83 }, 6, 4, 0 },
		{ { 0x12, 1, 0xb0 }, 6, 4, 0 },
		{ { 0x12, 1, 0xb1 }, 6, 4, 0 },
		{ { 0x12, 1, 0xb2 }, 6, 4, 0 },
		{ { 0x03 }, 6, 4, 0 },
		{ { 0x1a, 0, 0x3f }, 6, 4, 0 },
		{ { 0x5a, 0, 0x3f }, 10, 8, 0 },
		{ { 0x5a, 0x10, 0x3f }, 10, 8, 0 },
		{ { 0x9e, 0x10 }, 16, 13, 0 },
		{ { 0xa0 }, 12, 9, 16 },
	};
	struct fixture *f = *state;
	uint8_t all[256], cdb[16];
	struct scsi_cmd *cmd;
	unsigned int i, n, full;

	for (i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		memcpy(cdb, cmds[i].cdb, 16);
		cdb[cmds[i].at] = 255;
		full = (unsigned int)order(f, cdb, cmds[i].cdb_len, SCSI_IN,
					   NULL, 255)
			       ->moved;
		assert_true(full && full < 255);
		memcpy(all, f->data, full);
		for (n = cmds[i].least; n < 255; n++) {
			cdb[cmds[i].at] = (uint8_t)n;
			cmd = order(f, cdb, cmds[i].cdb_len, SCSI_IN, NULL, n);
			assert_int_equal(cmd->status, SCSI_GOOD);
			assert_int_equal(cmd->moved, n < full ? n : full);
			assert_memory_equal(f->data, all, cmd->moved);
		}
	}
}

/* ---- what is in the data --------------------------------------------------- */

static void test_inquiry(void **state)
{
	struct fixture *f = *state;

	order(f, CDB(0x12, 0, 0, 0, 36, 0), SCSI_IN, NULL, 36);
	assert_int_equal(f->data[0], 0);
	assert_int_equal(f->data[1], 0);
	assert_int_equal(f->data[3] & 0x0f, 2);
	assert_int_equal(f->data[4], 31);
	assert_memory_equal(f->data + 8, "VIREO   DISK            ", 24);
	order(f, CDB(0x12, 1, 0, 0, 255, 0), SCSI_IN, NULL, 255);
	assert_memory_equal(f->data,
			    ((uint8_t[]){ 0, 0, 0, 6, 0, 0x80, 0x83, 0xb0, 0xb1,
					  0xb2 }),
			    10);
	order(f, CDB(0x12, 1, 0x80, 0, 255, 0), SCSI_IN, NULL, 255);
	assert_memory_equal(f->data + 4, "serial-1", 8);
	order(f, CDB(0x12, 1, 0xb0, 0, 255, 0), SCSI_IN, NULL, 255);
	assert_int_equal(f->data[4], 1);
	assert_int_equal(be32(f->data + 8), 65536);
	assert_int_equal(be32(f->data + 20), 1 << 22);
	assert_int_equal(be32(f->data + 24), 256);
	assert_int_equal(be32(f->data + 40), 65536);
	order(f, CDB(0x12, 1, 0xb2, 0, 255, 0), SCSI_IN, NULL, 255);
	assert_int_equal(f->data[5], 0xe0);
}

static void test_other_lun(void **state)
{
	struct fixture *f = *state;
	struct order o;
	uint8_t data[64];

	order_init(&o, &f->lun, CDB(0x12, 0, 0, 0, 36, 0), SCSI_IN, NULL, 36);
	o.cmd.other_lun = true;
	scsi_submit(&o.cmd);
	order_data(&o, data);
	order_free(&o);
	assert_int_equal(o.cmd.status, SCSI_GOOD);
	assert_int_equal(data[0], 0x7f);
	order_init(&o, &f->lun, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), SCSI_IN,
		   NULL, 512);
	o.cmd.other_lun = true;
	scsi_submit(&o.cmd);
	order_free(&o);
	assert_int_equal(sense_of(&o.cmd), 0x052500);
	order_init(&o, &f->lun, CDB(0x03, 0, 0, 0, 18, 0), SCSI_IN, NULL, 18);
	o.cmd.other_lun = true;
	scsi_submit(&o.cmd);
	order_data(&o, data);
	order_free(&o);
	assert_int_equal(data[2], 5);
	assert_int_equal(data[12], 0x25);
}

static void test_capacity(void **state)
{
	struct fixture *f = *state;

	order(f, CDB(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_IN, NULL, 8);
	assert_int_equal(be32(f->data), BLOCKS - 1);
	assert_int_equal(be32(f->data + 4), 512);
	order(f, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0),
	      SCSI_IN, NULL, 32);
	assert_int_equal(be32(f->data), 0);
	assert_int_equal(be32(f->data + 4), BLOCKS - 1);
	assert_int_equal(be32(f->data + 8), 512);
	assert_int_equal(f->data[14], 0x80);

	/* 4 TiB: more than READ CAPACITY 10 can say */
	f->disk->block.size = 1ULL << 42;
	order(f, CDB(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_IN, NULL, 8);
	assert_int_equal(be32(f->data), 0xffffffff);
	order(f, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0),
	      SCSI_IN, NULL, 32);
	assert_int_equal(be32(f->data), 1);
	assert_int_equal(be32(f->data + 4), 0xffffffff);
	/* Its last block, and the one behind it */
	order(f,
	      CDB(0x88, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0,
		  0),
	      SCSI_IN, NULL, 512);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	order(f, CDB(0x88, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0),
	      SCSI_IN, NULL, 512);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LBA);
}

static void test_read_write(void **state)
{
	struct fixture *f = *state;
	uint8_t out[2048];
	size_t i;

	order(f, CDB(0x28, 0, 0, 0, 0, 7, 0, 0, 4, 0), SCSI_IN, NULL, 4096);
	assert_memory_equal(f->data, f->disk->data + 7 * 512, 2048);
	for (i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 13);
	order(f, CDB(0x2a, 0, 0, 0, 0, 9, 0, 0, 3, 0), SCSI_OUT, out,
	      sizeof(out));
	assert_int_equal(f->o.cmd.moved, 1536);
	assert_memory_equal(f->disk->data + 9 * 512, out, 1536);
	assert_memory_not_equal(f->disk->data + 12 * 512, out + 1536, 512);
}

/* FUA, or no cache: on stable storage. */
static void test_stable(void **state)
{
	struct fixture *f = *state;
	static const uint8_t out[512];

	order(f, CDB(0x2a, 0, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_OUT, out, 512);
	assert_int_equal(f->disk->syncs, 0);
	order(f, CDB(0x2a, 8, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_OUT, out, 512);
	assert_int_equal(f->disk->syncs, 1);
	assert_int_equal(f->disk->ops[BLOCK_FLUSH], 0);
	order(f, CDB(0x28, 8, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_IN, NULL, 512);
	assert_int_equal(f->disk->ops[BLOCK_FLUSH], 1);
	order(f, CDB(0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_NONE, NULL, 0);
	assert_int_equal(f->disk->ops[BLOCK_FLUSH], 2);
	f->lun.write_cache = false;
	order(f, CDB(0x2a, 0, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_OUT, out, 512);
	assert_int_equal(f->disk->syncs, 2);
	order(f, CDB(0x41, 0, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_OUT, out, 512);
	assert_int_equal(f->disk->syncs, 3);
}

static void test_verify(void **state)
{
	struct fixture *f = *state;
	uint8_t *same = malloc(KEPT);

	memcpy(same, f->disk->data, KEPT);
	order(f, CDB(0x2f, 2, 0, 0, 0, 0, 0, 1, 0, 0), SCSI_OUT, same, KEPT);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	assert_int_equal(f->o.cmd.moved, KEPT);
	assert_int_equal(f->disk->ops[BLOCK_READ], 2); /* 64 KiB each */
	same[KEPT - 1] ^= 1;
	order(f, CDB(0x2f, 2, 0, 0, 0, 0, 0, 1, 0, 0), SCSI_OUT, same, KEPT);
	assert_int_equal(sense_of(&f->o.cmd), 0x0e1d00);
	/* More buffers than are compared */
	order(f, CDB(0x2f, 2, 0, 0, 0, 0, 0, 0, 255, 0), SCSI_OUT, same, KEPT);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	assert_int_equal(f->o.cmd.moved, 255 * 512);
	free(same);
}

static void test_write_same(void **state)
{
	struct fixture *f = *state;
	uint8_t block[512], zeros[512] = { 0 };
	size_t i;

	memset(block, 0x5a, sizeof(block));
	block[511] = 1;
	order(f, CDB(0x41, 8, 0, 0, 0, 1, 0, 0, 0xf0, 0), SCSI_OUT, block, 512);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	for (i = 1; i <= 0xf0; i++)
		assert_memory_equal(f->disk->data + i * 512, block, 512);
	assert_memory_not_equal(f->disk->data, block, 512);
	assert_memory_not_equal(f->disk->data + 0xf1 * 512, block, 512);
	assert_int_equal(f->disk->ops[BLOCK_ZERO], 0);

	order(f, CDB(0x41, 0, 0, 0, 0, 2, 0, 0, 1, 0), SCSI_OUT, zeros, 512);
	assert_int_equal(f->disk->ops[BLOCK_ZERO], 1);
	assert_int_equal(f->disk->punches, 0);
	assert_memory_equal(f->disk->data + 1024, zeros, 512);
	assert_memory_equal(f->disk->data + 512, block, 512);
	order(f, CDB(0x93, 9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0),
	      SCSI_NONE, NULL, 0);
	assert_int_equal(f->disk->punches, 1);
	assert_memory_equal(f->disk->data + 1536, zeros, 512);
}

/* UNMAP's list: @n descriptors of @blocks from @lba on, each. */
static struct scsi_cmd *unmap(struct fixture *f, unsigned int n,
			      unsigned int said, uint64_t lba, uint32_t blocks)
{
	uint8_t *list = calloc(1, 8 + 16 * 300), cdb[10] = { 0x42 };
	struct scsi_cmd *cmd;
	unsigned int i, j, len = 8 + 16 * n;

	list[2] = (uint8_t)(said >> 8);
	list[3] = (uint8_t)said;
	for (i = 0; i < n; i++)
		for (j = 0; j < 8; j++) {
			list[8 + 16 * i + j] = (uint8_t)(lba >> (56 - 8 * j));
			if (j < 4)
				list[16 + 16 * i + j] =
					(uint8_t)(blocks >> (24 - 8 * j));
		}
	cdb[7] = (uint8_t)(len >> 8);
	cdb[8] = (uint8_t)len;
	cmd = order(f, cdb, 10, SCSI_OUT, list, len);
	free(list);
	return cmd;
}

static void test_unmap(void **state)
{
	struct fixture *f = *state;
	unsigned int *done = &f->disk->ops[BLOCK_DISCARD];

	assert_int_equal(unmap(f, 1, 16, 3, 2)->status, SCSI_GOOD);
	assert_int_equal(f->o.cmd.moved, 24);
	assert_int_equal(*done, 1);
	assert_int_equal(f->disk->data[3 * 512], 0);
	assert_int_not_equal(f->disk->data[5 * 512 + 1], 0);
	unmap(f, 2, 16, 3, 2); /* the second is not said to be there */
	assert_int_equal(*done, 2);
	unmap(f, 1, 160, 3, 2); /* more are said than there are */
	assert_int_equal(*done, 3);
	unmap(f, 1, 15, 3, 2); /* not one is whole */
	assert_int_equal(*done, 3);
	unmap(f, 1, 16, 3, 0); /* of nothing */
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	assert_int_equal(*done, 3);
	unmap(f, 256, 4096, 3, 1);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	assert_int_equal(*done, 259);
	assert_int_equal(sense_of(unmap(f, 257, 4112, 3, 1)), BAD_LIST);
	assert_int_equal(sense_of(unmap(f, 1, 16, BLOCKS, 1)), BAD_LBA);
	assert_int_equal(sense_of(unmap(f, 1, 16, BLOCKS - 1, 2)), BAD_LBA);
	assert_int_equal(sense_of(unmap(f, 1, 16, UINT64_MAX, 2)), BAD_LBA);
	assert_int_equal(sense_of(unmap(f, 1, 16, 1ULL << 55, 2)), BAD_LBA);
	assert_int_equal(sense_of(unmap(f, 2, 32, 0, UINT32_MAX)), BAD_LIST);
	assert_int_equal(*done, 259);
}

static void test_mode_pages(void **state)
{
	struct fixture *f = *state;
	uint8_t list[44] = { 0 };

	/* 6, current: header, descriptor, caching page */
	order(f, CDB(0x1a, 0, 0x08, 0, 192, 0), SCSI_IN, NULL, 192);
	assert_int_equal(f->data[0], 31);
	assert_int_equal(f->data[2], 0x10);
	assert_int_equal(f->data[3], 8);
	assert_int_equal(be32(f->data + 4), BLOCKS);
	assert_int_equal(be32(f->data + 8), 512);
	assert_int_equal(f->data[12], 0x08);
	assert_int_equal(f->data[13], 18);
	assert_int_equal(f->data[14], 0x04);
	/* What was read can be selected. */
	memcpy(list, f->data, 32);
	list[0] = 0;
	order(f, CDB(0x15, 0x10, 0, 0, 32, 0), SCSI_OUT, list, 32);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	assert_true(f->lun.write_cache);
	/* The cache off: it is flushed. */
	list[14] = 0;
	order(f, CDB(0x15, 0x10, 0, 0, 32, 0), SCSI_OUT, list, 32);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	assert_int_equal(f->o.cmd.moved, 32);
	assert_false(f->lun.write_cache);
	assert_int_equal(f->disk->ops[BLOCK_FLUSH], 1);
	/* Changeable, default */
	order(f, CDB(0x1a, 8, 0x48, 0, 192, 0), SCSI_IN, NULL, 192);
	assert_int_equal(f->data[4 + 2], 0x04);
	order(f, CDB(0x1a, 8, 0x88, 0, 192, 0), SCSI_IN, NULL, 192);
	assert_int_equal(f->data[4 + 2], 0x04);
	order(f, CDB(0x1a, 8, 0x08, 0, 192, 0), SCSI_IN, NULL, 192);
	assert_int_equal(f->data[4 + 2], 0x00);
	/* What cannot be changed */
	list[15] = 1;
	order(f, CDB(0x15, 0x10, 0, 0, 32, 0), SCSI_OUT, list, 32);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LIST);
	assert_int_equal(f->o.cmd.sense[17], 15);
	list[15] = 0;
	/* Another capacity, a page that is cut off, one that is not there */
	list[7] ^= 1;
	order(f, CDB(0x15, 0x10, 0, 0, 32, 0), SCSI_OUT, list, 32);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LIST);
	list[7] ^= 1;
	order(f, CDB(0x15, 0x10, 0, 0, 31, 0), SCSI_OUT, list, 32);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LENGTH);
	order(f, CDB(0x15, 0x10, 0, 0, 13, 0), SCSI_OUT, list, 32);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LENGTH);
	order(f, CDB(0x15, 0x10, 0, 0, 10, 0), SCSI_OUT, list, 32);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LENGTH);
	list[12] = 0x15;
	order(f, CDB(0x15, 0x10, 0, 0, 32, 0), SCSI_OUT, list, 32);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LIST);
	list[12] = 0x48; /* with the subpage bit */
	order(f, CDB(0x15, 0x10, 0, 0, 32, 0), SCSI_OUT, list, 32);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LIST);
	list[12] = 0x08;
	list[13] = 17;
	order(f, CDB(0x15, 0x10, 0, 0, 32, 0), SCSI_OUT, list, 32);
	assert_int_equal(sense_of(&f->o.cmd), BAD_LIST);
	assert_false(f->lun.write_cache);
	/* The long form turns it on again. */
	order(f, CDB(0x5a, 0x10, 0x88, 0, 0, 0, 0, 0, 192, 0), SCSI_IN, NULL,
	      192);
	assert_int_equal(f->data[1], 42);
	assert_int_equal(f->data[4], 1);
	assert_int_equal(f->data[7], 16);
	memcpy(list, f->data, 44);
	list[0] = list[1] = 0;
	order(f, CDB(0x55, 0x10, 0, 0, 0, 0, 0, 0, 44, 0), SCSI_OUT, list, 44);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	assert_true(f->lun.write_cache);
}

static void test_attentions(void **state)
{
	struct fixture *f = *state;

	scsi_lun_reset(&f->lun);
	scsi_lun_resized(&f->lun);
	order(f, CDB(0x12, 0, 0, 0, 36, 0), SCSI_IN, NULL, 36);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	order(f, CDB(0, 0, 0, 0, 0, 0), SCSI_NONE, NULL, 0);
	assert_int_equal(sense_of(&f->o.cmd), 0x062900);
	order(f, CDB(0x03, 0, 0, 0, 18, 0), SCSI_IN, NULL, 18);
	assert_int_equal(f->data[2], 6);
	assert_int_equal(f->data[12], 0x2a);
	assert_int_equal(f->data[13], 0x09);
	order(f, CDB(0, 0, 0, 0, 0, 0), SCSI_NONE, NULL, 0);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	order(f, CDB(0x03, 0, 0, 0, 18, 0), SCSI_IN, NULL, 18);
	assert_int_equal(f->data[2], 0);
}

static void test_host_errors(void **state)
{
	static const struct {
		int ret;
		uint32_t read, write;
	} errors[] = {
		{ -EIO, 0x031100, 0x030c00 },
		{ -ENOSPC, 0x072707, 0x072707 },
		{ -EROFS, 0x072700, 0x072700 },
		{ -EINVAL, 0x044400, 0x044400 },
	};
	struct fixture *f = *state;
	static const uint8_t out[512] = { 1 };
	unsigned int i, later;

	for (i = 0; i < 8; i++) {
		later = i & 1;
		f->disk->later = later;
		f->disk->fails = errors[i / 2].ret;
		order(f, CDB(0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_IN, NULL,
		      512);
		assert_int_equal(sense_of(&f->o.cmd), errors[i / 2].read);
		assert_int_equal(f->o.cmd.moved, 0);
		order(f, CDB(0x2a, 0, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_OUT, out,
		      512);
		assert_int_equal(sense_of(&f->o.cmd), errors[i / 2].write);
		order(f, CDB(0x41, 0, 0, 0, 0, 9, 0, 0, 9, 0), SCSI_OUT, out,
		      512);
		assert_int_equal(sense_of(&f->o.cmd), errors[i / 2].write);
		order(f, CDB(0x2f, 0, 0, 0, 0, 9, 0, 0, 9, 0), SCSI_NONE, NULL,
		      0);
		assert_int_equal(sense_of(&f->o.cmd), errors[i / 2].read);
		order(f, CDB(0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_NONE, NULL,
		      0);
		assert_int_equal(sense_of(&f->o.cmd), errors[i / 2].write);
		unmap(f, 2, 32, 3, 1);
		assert_int_equal(sense_of(&f->o.cmd), errors[i / 2].write);
	}
	f->disk->fails = -ENOMEM;
	order(f, CDB(0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_IN, NULL, 512);
	assert_int_equal(f->o.cmd.status, SCSI_BUSY);
}

static void test_readonly(void **state)
{
	struct fixture *f = *state;
	static const uint8_t out[512];

	f->disk->block.readonly = true;
	order(f, CDB(0x1a, 0, 0x3f, 0, 192, 0), SCSI_IN, NULL, 192);
	assert_int_equal(f->data[2], 0x90);
	order(f, CDB(0x2a, 0, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_OUT, out, 512);
	assert_int_equal(sense_of(&f->o.cmd), 0x072700);
	order(f, CDB(0x41, 0, 0, 0, 0, 9, 0, 0, 1, 0), SCSI_OUT, out, 512);
	assert_int_equal(sense_of(&f->o.cmd), 0x072700);
	assert_int_equal(sense_of(unmap(f, 1, 16, 3, 1)), 0x072700);
	order(f, CDB(0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_NONE, NULL, 0);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	order(f, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0),
	      SCSI_IN, NULL, 32);
	assert_int_equal(f->data[14], 0);
	order(f, CDB(0x12, 1, 0xb2, 0, 255, 0), SCSI_IN, NULL, 255);
	assert_int_equal(f->data[5], 0);
	assert_int_equal(f->disk->ops[BLOCK_WRITE] + f->disk->ops[BLOCK_ZERO] +
				 f->disk->ops[BLOCK_DISCARD],
			 0);
}

/* Ends when its request does, with no step after it. */
static void test_cancel(void **state)
{
	struct fixture *f = *state;
	struct order o;

	f->disk->later = true;
	order_init(&o, &f->lun, CDB(0x2f, 0, 0, 0, 0, 0, 0, 1, 0, 0), SCSI_NONE,
		   NULL, 0);
	scsi_submit(&o.cmd);
	assert_int_equal(o.dones, 0);
	scsi_cancel(&o.cmd);
	assert_int_equal(o.dones, 0);
	assert_true(disk_complete(f->disk));
	assert_int_equal(o.dones, 1);
	assert_true(o.cmd.cancelled);
	assert_false(disk_complete(f->disk));
}

/* ---- a disk with blocks of 4096 bytes -------------------------------------- */

static void test_4k(void **state)
{
	struct fixture *f = make(&scsi_disk, disk_new(KEPT + 512, KEPT, 4096));

	(void)state;
	order(f, CDB(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_IN, NULL, 8);
	assert_int_equal(be32(f->data), KEPT / 4096 - 1);
	assert_int_equal(be32(f->data + 4), 4096);
	order(f, CDB(0x28, 0, 0, 0, 0, 2, 0, 0, 1, 0), SCSI_IN, NULL, 4096);
	assert_memory_equal(f->data, f->disk->data + 8192, 4096);
	order(f, CDB(0x28, 0, 0, 0, 0, 2, 0, 0, 1, 0), SCSI_IN, NULL, 512);
	assert_true(f->o.cmd.overrun);
	order(f, CDB(0x12, 1, 0xb0, 0, 255, 0), SCSI_IN, NULL, 255);
	assert_int_equal(be32(f->data + 8), 65536 / 8);
	unmake(f);
}

#define DISK(t) cmocka_unit_test_setup_teardown(t, setup_disk, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK(test_disk_rows),
		DISK(test_sweep_disk),
		DISK(test_allocation_lengths),
		DISK(test_inquiry),
		DISK(test_other_lun),
		DISK(test_capacity),
		DISK(test_read_write),
		DISK(test_stable),
		DISK(test_verify),
		DISK(test_write_same),
		DISK(test_unmap),
		DISK(test_mode_pages),
		DISK(test_attentions),
		DISK(test_host_errors),
		DISK(test_readonly),
		DISK(test_cancel),
		cmocka_unit_test(test_4k),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

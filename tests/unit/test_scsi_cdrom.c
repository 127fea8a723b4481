// SPDX-License-Identifier: GPL-2.0-or-later
/* The SCSI command set, of a CD-ROM drive. */
#include "scsi_fixture.h"

static const struct row cdrom_rows[] = {
	IN("VPD list", 255, 0, 7, 0, 0x12, 1, 0, 0, 255, 0),
	IN("VPD block limits", 255, BAD_FIELD, 0, 2, 0x12, 1, 0xb0, 0, 255, 0),
	IN("MODE SENSE 6, all", 192, 0, 38, 0, 0x1a, 0, 0x3f, 0, 192, 0),
	IN("MODE SENSE 10, 2a", 192, 0, 30, 0, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0,
	   192, 0),
	IN("MODE SENSE 10, caching", 192, BAD_FIELD, 0, 2, 0x5a, 0, 0x08, 0, 0,
	   0, 0, 0, 192, 0),

	IN("READ 10", 2048, 0, 2048, 0, 0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0),
	IN("READ 10, FUA", 2048, 0, 2048, 0, 0x28, 8, 0, 0, 0, 3, 0, 0, 1, 0),
	IN("READ 10, last", 2048, 0, 2048, 0, 0x28, 0, 0, 0, 0, 63, 0, 0, 1, 0),
	IN("READ 10, past the end", 2048, BAD_LBA, 0, 0, 0x28, 0, 0, 0, 0, 64,
	   0, 0, 1, 0),
	IN("READ 12", 2048, 0, 2048, 0, 0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0),
	OUT("WRITE 10", 2048, BAD_OPCODE, 0, 0, 0x2a, 0, 0, 0, 0, 3, 0, 0, 1,
	    0),
	IN("READ CAPACITY 16", 32, BAD_OPCODE, 0, 0, 0x9e, 0x10, 0, 0, 0, 0, 0,
	   0, 0, 0, 0, 0, 0, 32, 0, 0),
	OUT("UNMAP", 24, BAD_OPCODE, 0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0),

	IN("READ TOC", 804, 0, 20, 0, 0x43, 0, 0, 0, 0, 0, 0, 3, 0x24, 0),
	IN("READ TOC, MSF", 804, 0, 20, 0, 0x43, 2, 0, 0, 0, 0, 1, 3, 0x24, 0),
	IN("READ TOC, lead-out", 804, 0, 12, 0, 0x43, 0, 0, 0, 0, 0, 0xaa, 3,
	   0x24, 0),
	IN("READ TOC, track 2", 804, BAD_FIELD, 0, 6, 0x43, 0, 0, 0, 0, 0, 2, 3,
	   0x24, 0),
	IN("READ TOC, 4", 804, 0, 4, 0, 0x43, 0, 0, 0, 0, 0, 0, 0, 4, 0),
	IN("READ TOC, 0", 804, 0, 0, 0, 0x43, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	IN("READ TOC, sessions", 12, 0, 12, 0, 0x43, 0, 1, 0, 0, 0, 0, 0, 12,
	   0),
	IN("READ TOC, sessions of old", 12, 0, 12, 0, 0x43, 0, 0, 0, 0, 0, 0, 0,
	   12, 0x40),
	IN("READ TOC, full", 804, 0, 48, 0, 0x43, 2, 2, 0, 0, 0, 0, 3, 0x24, 0),
	IN("READ TOC, ATIP", 804, BAD_FIELD, 0, 2, 0x43, 2, 4, 0, 0, 0, 0, 3,
	   0x24, 0),
	IN("READ TOC, overrun", 19, OVERRUN, 0, 0, 0x43, 0, 0, 0, 0, 0, 0, 3,
	   0x24, 0),

	IN("GET CONFIGURATION", 255, 0, 68, 0, 0x46, 0, 0, 0, 0, 0, 0, 0, 255,
	   0),
	IN("GET CONFIGURATION, current", 255, 0, 60, 0, 0x46, 1, 0, 0, 0, 0, 0,
	   0, 255, 0),
	IN("GET CONFIGURATION, one", 255, 0, 20, 0, 0x46, 2, 0, 0, 0, 0, 0, 0,
	   255, 0),
	IN("GET CONFIGURATION, one that is not there", 255, 0, 8, 0, 0x46, 2,
	   0x12, 0x34, 0, 0, 0, 0, 255, 0),
	IN("GET CONFIGURATION, from", 255, 0, 16, 0, 0x46, 0, 0, 0x1f, 0, 0, 0,
	   0, 255, 0),
	IN("GET CONFIGURATION, 8", 255, 0, 8, 0, 0x46, 0, 0, 0, 0, 0, 0, 0, 8,
	   0),
	IN("GET CONFIGURATION, 3", 255, BAD_FIELD, 0, 1, 0x46, 3, 0, 0, 0, 0, 0,
	   0, 8, 0),

	IN("GET EVENT STATUS", 8, 0, 8, 0, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0),
	IN("GET EVENT STATUS, no class", 8, 0, 4, 0, 0x4a, 1, 0, 0, 0x02, 0, 0,
	   0, 8, 0),
	IN("GET EVENT STATUS, not polled", 8, BAD_FIELD, 0, 1, 0x4a, 0, 0, 0,
	   0x10, 0, 0, 0, 8, 0),
	IN("READ DISC INFORMATION", 64, 0, 34, 0, 0x51, 0, 0, 0, 0, 0, 0, 0, 64,
	   0),
	IN("READ DISC INFORMATION, 2", 64, 0, 2, 0, 0x51, 0, 0, 0, 0, 0, 0, 0,
	   2, 0),
	IN("READ DISC INFORMATION, tracks", 64, BAD_FIELD, 0, 1, 0x51, 1, 0, 0,
	   0, 0, 0, 0, 64, 0),
	IN("MECHANISM STATUS", 64, 0, 8, 0, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0,
	   0),
	NO("PREVENT", 0, 0, 0x1e, 0, 0, 0, 1, 0),
	NO("eject, locked", 0x055302, 0, 0x1b, 0, 0, 0, 2, 0),
	NO("ALLOW", 0, 0, 0x1e, 0, 0, 0, 0, 0),
	NO("eject", 0, 0, 0x1b, 0, 0, 0, 2, 0),
	NO("ready, tray open", 0x023a02, 0, 0, 0, 0, 0, 0, 0),
	IN("READ, tray open", 2048, 0x023a02, 0, 0, 0x28, 0, 0, 0, 0, 3, 0, 0,
	   1, 0),
	IN("READ TOC, tray open", 64, 0x023a02, 0, 0, 0x43, 0, 0, 0, 0, 0, 0, 0,
	   64, 0),
	IN("GET CONFIGURATION, tray open", 255, 0, 40, 0, 0x46, 1, 0, 0, 0, 0,
	   0, 0, 255, 0),
	NO("load", 0, 0, 0x1b, 0, 0, 0, 3, 0),
	NO("attention after it", 0x062800, 0, 0, 0, 0, 0, 0, 0),
	NO("ready", 0, 0, 0, 0, 0, 0, 0, 0),
};

static int setup_cdrom(void **state)
{
	struct memory_disk *d = disk_new(KEPT, KEPT, 512);

	d->block.readonly = true;
	*state = make(&scsi_cdrom, d);
	return 0;
}

static void test_cdrom_rows(void **state)
{
	struct fixture *f = *state;

	CHECK_ROWS(f, any_rows);
	CHECK_ROWS(f, cdrom_rows);
	f->disk->later = true;
	CHECK_ROWS(f, cdrom_rows);
}

static void test_sweep_cdrom(void **state)
{
	sweep(*state);
}

static void test_toc(void **state)
{
	struct fixture *f = *state;

	order(f, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 20, 0), SCSI_IN, NULL, 20);
	assert_memory_equal(f->data,
			    ((uint8_t[]){ 0,	18, 1, 1, 0, 0x14, 1,
					  0,	0,  0, 0, 0, 0,	   0x14,
					  0xaa, 0,  0, 0, 0, 64 }),
			    20);
	order(f, CDB(0x43, 2, 0, 0, 0, 0, 0, 0, 20, 0), SCSI_IN, NULL, 20);
	assert_memory_equal(f->data + 8, ((uint8_t[]){ 0, 0, 2, 0 }), 4);
	assert_memory_equal(f->data + 16, ((uint8_t[]){ 0, 0, 2, 64 }), 4);
}

static void test_profiles(void **state)
{
	struct fixture *f = *state;

	order(f, CDB(0x46, 0, 0, 0, 0, 0, 0, 0, 8, 0), SCSI_IN, NULL, 8);
	assert_int_equal(be32(f->data), 64);
	assert_int_equal(f->data[7], 0x08);
	f->disk->block.size = 4ULL << 30;
	order(f, CDB(0x46, 0, 0, 0, 0, 0, 0, 0, 20, 0), SCSI_IN, NULL, 20);
	assert_int_equal(f->data[7], 0x10);
	assert_memory_equal(f->data + 8,
			    ((uint8_t[]){ 0, 0, 3, 8, 0, 0x10, 1, 0, 0, 8, 0,
					  0 }),
			    12);
}

static unsigned int moves;

static void tray_moved(struct scsi_lun *lun)
{
	(void)lun;
	moves++;
}

static uint8_t media_event(struct fixture *f)
{
	order(f, CDB(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0), SCSI_IN, NULL, 8);
	return f->data[4];
}

static void test_medium_changes(void **state)
{
	struct fixture *f = *state;
	struct memory_disk *other = disk_new(8192, 8192, 512);
	bool closed = false;

	moves = 0;
	f->lun.tray_moved = tray_moved;
	assert_int_equal(media_event(f), SCSI_MEDIA_NONE);
	assert_int_equal(f->data[5], 2);
	order(f, CDB(0x1b, 0, 0, 0, 2, 0), SCSI_NONE, NULL, 0);
	assert_int_equal(moves, 1);
	assert_int_equal(media_event(f), SCSI_MEDIA_REMOVED);
	assert_int_equal(f->data[5], 1);
	assert_int_equal(media_event(f), SCSI_MEDIA_NONE);

	scsi_lun_load(&f->lun, NULL);
	assert_true(f->closed);
	f->disk = NULL;
	scsi_lun_tray(&f->lun, false);
	order(f, CDB(0, 0, 0, 0, 0, 0), SCSI_NONE, NULL, 0);
	assert_int_equal(sense_of(&f->o.cmd), 0x023a01);
	order(f, CDB(0x12, 0, 0, 0, 36, 0), SCSI_IN, NULL, 36);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	assert_int_equal(f->data[0], 5);
	assert_int_equal(f->data[1], 0x80);
	sweep(f);

	other->closed = &closed;
	f->disk = other;
	assert_int_equal(scsi_lun_load(&f->lun, &other->block), 0);
	assert_int_equal(media_event(f), SCSI_MEDIA_NEW);
	order(f, CDB(0, 0, 0, 0, 0, 0), SCSI_NONE, NULL, 0);
	assert_int_equal(sense_of(&f->o.cmd), 0x062800);
	order(f, CDB(0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0), SCSI_IN, NULL, 8);
	assert_int_equal(be32(f->data), 3);
	assert_int_equal(be32(f->data + 4), 2048);

	/* It stays open as long as a command uses it. */
	other->later = true;
	order_init(&f->o, &f->lun, CDB(0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0),
		   SCSI_IN, NULL, 2048);
	scsi_submit(&f->o.cmd);
	scsi_lun_load(&f->lun, NULL);
	assert_false(closed);
	assert_true(disk_complete(other));
	assert_true(closed);
	assert_int_equal(f->o.cmd.status, SCSI_GOOD);
	order_free(&f->o);
	f->disk = NULL;
}

static void test_too_small(void **state)
{
	struct memory_disk *d = disk_new(1024, 1024, 512);
	struct scsi_lun lun;

	(void)state;
	assert_int_equal(scsi_lun_init(&lun, &scsi_cdrom, &d->block, "x"),
			 -EINVAL);
	free(d->data);
	free(d);
}

#define CDROM(t) cmocka_unit_test_setup_teardown(t, setup_cdrom, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CDROM(test_cdrom_rows),
		CDROM(test_sweep_cdrom),
		CDROM(test_toc),
		CDROM(test_profiles),
		CDROM(test_medium_changes),
		cmocka_unit_test(test_too_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A unit under test, what it is asked, and what must always be. */
#ifndef TEST_SCSI_FIXTURE_H
#define TEST_SCSI_FIXTURE_H

#include "cmocka_unit.h"

#include "scsi_rig.h"
#include "scsi_rows.h"

struct fixture {
	struct scsi_lun lun;
	struct memory_disk *disk; /* NULL: no medium */
	bool closed;
	struct order o; /* the last */
	uint8_t data[KEPT + 4096];
};

static inline struct fixture *make(const struct scsi_type *type,
				   struct memory_disk *disk)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->disk = disk;
	if (disk)
		disk->closed = &f->closed;
	assert_int_equal(scsi_lun_init(&f->lun, type,
				       disk ? &disk->block : NULL, "serial-1"),
			 0);
	f->lun.attentions = 0;
	return f;
}

static inline void unmake(struct fixture *f)
{
	scsi_lun_destroy(&f->lun);
	assert_true(f->closed || !f->disk);
	free(f);
}

static inline int teardown(void **state)
{
	unmake(*state);
	return 0;
}

/* Carries out @cdb with buffers of @len bytes; f->data is what is in them. */
static inline struct scsi_cmd *order(struct fixture *f, const uint8_t *cdb,
				     unsigned int cdb_len, enum scsi_dir dir,
				     const void *out, size_t len)
{
	assert_true(len <= sizeof(f->data));
	order_init(&f->o, &f->lun, cdb, cdb_len, dir, out, len);
	scsi_submit(&f->o.cmd);
	if (f->disk && f->disk->later && !f->o.dones)
		while (disk_complete(f->disk))
			;
	assert_int_equal(f->o.dones, 1);
	order_data(&f->o, f->data);
	order_free(&f->o);
	assert_true(f->o.cmd.moved <= len);
	return &f->o.cmd;
}

static inline uint32_t sense_of(const struct scsi_cmd *cmd)
{
	if (cmd->status != SCSI_CHECK_CONDITION)
		return 0;
	assert_int_equal(cmd->sense_len, SCSI_SENSE_LEN);
	assert_int_equal(cmd->sense[0], 0x70);
	assert_int_equal(cmd->sense[7], SCSI_SENSE_LEN - 8);
	return (uint32_t)cmd->sense[2] << 16 | (uint32_t)cmd->sense[12] << 8 |
	       cmd->sense[13];
}

#define CDB(...)                          \
	(const uint8_t[]){ __VA_ARGS__ }, \
		sizeof((const uint8_t[]){ __VA_ARGS__ })

/* ---- one row a command ---------------------------------------------------- */

static inline void check_row(struct fixture *f, const struct row *r)
{
	static const uint8_t zeros[KEPT];
	struct scsi_cmd *cmd = order(f, r->cdb, r->cdb_len, r->dir,
				     r->dir == SCSI_OUT ? zeros : NULL, r->len);
	uint32_t sense = cmd->overrun ? OVERRUN : sense_of(cmd);
	int field = 0;
	size_t i;

	if (cmd->status == SCSI_CHECK_CONDITION && cmd->sense[15] & 0x40)
		field = cmd->sense[16] << 8 | cmd->sense[17];
	if (sense != r->sense || cmd->moved != r->moved ||
	    (r->field && field != r->field))
		fail_msg("%s: sense %06x, moved %llu, field %d; not %06x, "
			 "%llu, %d",
			 r->name, sense, (unsigned long long)cmd->moved, field,
			 r->sense, (unsigned long long)r->moved, r->field);
	if (r->dir != SCSI_IN)
		return;
	for (i = cmd->moved; i < r->len; i++)
		if (f->data[i] != 0xee)
			fail_msg("%s: byte %zu was touched", r->name, i);
}

static inline void check_rows(struct fixture *f, const struct row *r, size_t n)
{
	for (; n; n--, r++)
		check_row(f, r);
}

#define CHECK_ROWS(f, rows) check_rows(f, rows, sizeof(rows) / sizeof(rows[0]))

/* ---- every operation code, every length ----------------------------------- */

/* Where commands have lengths and addresses, put @byte; what must always be. */
static inline void sweep_one(struct fixture *f, uint8_t code, uint8_t second,
			     uint8_t fill, size_t len, enum scsi_dir dir)
{
	uint8_t cdb[16];
	struct scsi_cmd *cmd;
	size_t i;

	memset(cdb, fill, sizeof(cdb));
	cdb[0] = code;
	cdb[1] = second;
	/* NACA is another matter. */
	cdb[5] &= (uint8_t)~4;
	cdb[9] &= (uint8_t)~4;
	cdb[11] &= (uint8_t)~4;
	cdb[15] &= (uint8_t)~4;
	cmd = order(f, cdb, 16, dir, NULL, len);
	if (cmd->overrun) {
		assert_int_equal(cmd->moved, 0);
	} else if (cmd->status == SCSI_CHECK_CONDITION) {
		assert_int_not_equal(sense_of(cmd), 0);
		assert_int_equal(cmd->moved, 0);
	} else {
		assert_int_equal(cmd->status, SCSI_GOOD);
		assert_int_equal(cmd->sense_len, 0);
	}
	for (i = cmd->moved; dir == SCSI_IN && i < len; i++)
		assert_int_equal(f->data[i], 0xee);
	f->lun.stopped = false;
	f->lun.locked = false;
	f->lun.tray_open = false;
	f->lun.attentions = 0;
}

static inline void sweep(struct fixture *f)
{
	static const uint8_t fills[] = { 0, 1, 2, 8, 0x10, 0x7f, 0xff };
	static const uint8_t seconds[] = { 0, 1, 2, 4, 8, 0x10, 0xff };
	static const size_t lens[] = { 0, 1, 3, 8, 512, 4096 };
	unsigned int code, s, i, l;

	for (code = 0; code < 256; code++)
		for (s = 0; s < sizeof(seconds); s++)
			for (i = 0; i < sizeof(fills); i++)
				for (l = 0; l < 6; l++) {
					sweep_one(f, (uint8_t)code, seconds[s],
						  fills[i], lens[l], SCSI_IN);
					sweep_one(f, (uint8_t)code, seconds[s],
						  fills[i], lens[l], SCSI_OUT);
				}
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

#endif

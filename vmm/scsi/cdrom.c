// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CD and DVD drives that read (MMC-6), with a tray that the guest may lock.
 * A medium is one data track of one session.
 */
#include "command.h"

#include <string.h>

/* What a CD of 80 minutes has; anything larger is a DVD. */
#define CD_BLOCKS (80 * 60 * 75)
#define LEAD_OUT 0xaa

/* An address as READ TOC has it: 75 frames a second, the first after two. */
static void put_address(uint8_t *p, uint64_t lba, bool msf)
{
	uint64_t frame = lba + 150;

	if (!msf) {
		put32(p, lba < UINT32_MAX ? (uint32_t)lba : UINT32_MAX);
		return;
	}
	p[0] = 0;
	/* Of a DVD it may be too large to be told. */
	p[1] = (uint8_t)(frame / 75 / 60 < 255 ? frame / 75 / 60 : 255);
	p[2] = (uint8_t)(frame / 75 % 60);
	p[3] = (uint8_t)(frame % 75);
}

/* ---- READ TOC (MMC-6, 6.22) ---------------------------------------------- */

static uint8_t *put_track(uint8_t *p, uint8_t number, uint64_t lba, bool msf)
{
	p[1] = 0x14; /* a data track, which may not be copied */
	p[2] = number;
	put_address(p + 4, lba, msf);
	return p + 8;
}

/* Format 0: from a track on, and the lead-out.  NULL: there is none. */
static uint8_t *put_toc(const struct scsi_lun *lun, uint8_t *p, uint8_t first,
			bool msf)
{
	if (first > 1 && first != LEAD_OUT)
		return NULL;
	if (first <= 1)
		p = put_track(p, 1, 0, msf);
	return put_track(p, LEAD_OUT, scsi_lun_blocks(lun), msf);
}

/* Format 2: the table as the lead-in has it, all in minutes and seconds. */
static uint8_t *put_full_toc(const struct scsi_lun *lun, uint8_t *p)
{
	static const uint8_t points[] = { 0xa0, 0xa1, 0xa2, 1 };
	size_t i;

	for (i = 0; i < sizeof(points); i++, p += 11) {
		p[0] = 1; /* session */
		p[1] = 0x14;
		p[3] = points[i];
	}
	p -= 11 * sizeof(points);
	p[8] = 1;      /* first track */
	p[11 + 8] = 1; /* last track */
	put_address(p + 22 + 7, scsi_lun_blocks(lun), true);
	put_address(p + 33 + 7, 0, true);
	return p + 11 * sizeof(points);
}

static void read_toc(struct scsi_cmd *cmd)
{
	uint8_t format = cmd->cdb[2] & 0x0f, first = cmd->cdb[6];
	bool msf = cmd->cdb[1] & 0x02;
	uint8_t data[64] = { 0 }, *end;

	/* Drives of old had it in the control byte. */
	if (!format)
		format = cmd->cdb[9] >> 6;
	data[2] = 1; /* first track, or session, and the last */
	data[3] = 1;
	switch (format) {
	case 0:
		end = put_toc(cmd->lun, data + 4, first, msf);
		break;
	case 1:
		/* The first track of the last session. */
		end = put_track(data + 4, 1, 0, msf);
		break;
	case 2:
		end = first <= 1 ? put_full_toc(cmd->lun, data + 4) : NULL;
		break;
	default:
		scsi_bad_field(cmd, 2);
		return;
	}
	if (!end) {
		scsi_bad_field(cmd, 6);
		return;
	}
	put16(data, (uint16_t)(end - data - 2));
	scsi_reply(cmd, data, (size_t)(end - data), get16(cmd->cdb + 7));
}

/* ---- GET CONFIGURATION (MMC-6, 6.5) -------------------------------------- */

#define PROFILE_CD_ROM 0x0008
#define PROFILE_DVD_ROM 0x0010

static uint16_t profile(const struct scsi_lun *lun)
{
	if (scsi_ready_sense(lun))
		return 0;
	return scsi_lun_blocks(lun) > CD_BLOCKS ? PROFILE_DVD_ROM :
						  PROFILE_CD_ROM;
}

static bool has_medium(const struct scsi_lun *lun)
{
	return profile(lun) != 0;
}

static bool has_cd(const struct scsi_lun *lun)
{
	return profile(lun) == PROFILE_CD_ROM;
}

static bool has_dvd(const struct scsi_lun *lun)
{
	return profile(lun) == PROFILE_DVD_ROM;
}

static bool always(const struct scsi_lun *lun)
{
	(void)lun;
	return true;
}

/* MMC-6, 5.3; version and persistence are in the third byte, without current. */
static const struct feature {
	uint16_t code;
	uint8_t version;
	uint8_t len; /* of data */
	bool (*current)(const struct scsi_lun *lun);
	uint8_t data[8];
} features[] = {
	/* Profiles: the current ones are marked later. */
	{ 0x0000,
	  0x03,
	  8,
	  always,
	  { 0, PROFILE_DVD_ROM, 0, 0, 0, PROFILE_CD_ROM, 0, 0 } },
	/* Core: SCSI, and device busy events */
	{ 0x0001, 0x0b, 8, always, { 0, 0, 0, 1, 1 } },
	/* Removable medium: a tray; it ejects and locks. */
	{ 0x0003, 0x03, 4, always, { 0x29 } },
	/* Random readable: blocks of 2048 bytes, one at a time */
	{ 0x0010, 0x00, 8, has_medium, { 0, 0, 0x08, 0, 0, 1, 0, 0 } },
	/* CD read */
	{ 0x001e, 0x08, 4, has_cd, { 0 } },
	/* DVD read */
	{ 0x001f, 0x08, 4, has_dvd, { 0 } },
};

static uint8_t *put_feature(const struct scsi_lun *lun, const struct feature *f,
			    uint8_t *p)
{
	put16(p, f->code);
	p[2] = f->version | f->current(lun);
	p[3] = f->len;
	memcpy(p + 4, f->data, f->len);
	if (f->code == 0x0000) {
		p[4 + 2] = has_dvd(lun);
		p[8 + 2] = has_cd(lun);
		p[4 + 3] = p[8 + 3] = 0;
	}
	return p + 4 + f->len;
}

static void get_configuration(struct scsi_cmd *cmd)
{
	uint8_t which = cmd->cdb[1] & 0x03;
	uint16_t from = get16(cmd->cdb + 2);
	uint8_t data[128] = { 0 }, *p = data + 8;
	const struct feature *f;

	/* 0: all, 1: the current ones, 2: one */
	if (which == 3) {
		scsi_bad_field(cmd, 1);
		return;
	}
	for (f = features;
	     f < features + sizeof(features) / sizeof(features[0]); f++) {
		if (which == 2 ? f->code != from : f->code < from)
			continue;
		if (which != 1 || f->current(cmd->lun))
			p = put_feature(cmd->lun, f, p);
	}
	put32(data, (uint32_t)(p - data - 4));
	put16(data + 6, profile(cmd->lun));
	scsi_reply(cmd, data, (size_t)(p - data), get16(cmd->cdb + 7));
}

/* ---- events, the tray ---------------------------------------------------- */

#define CLASS_MEDIA 4

static void get_event_status(struct scsi_cmd *cmd)
{
	struct scsi_lun *lun = cmd->lun;
	uint16_t alloc = get16(cmd->cdb + 7);
	uint8_t data[8] = { 0 };
	size_t len = 4;

	/* POLLED: there is no other way. */
	if (!(cmd->cdb[1] & 0x01)) {
		scsi_bad_field(cmd, 1);
		return;
	}
	data[3] = 1U << CLASS_MEDIA;
	if (cmd->cdb[4] & 1U << CLASS_MEDIA) {
		len = 8;
		data[2] = CLASS_MEDIA;
		data[4] = (uint8_t)lun->media_event;
		data[5] = (uint8_t)(lun->tray_open |
				    (lun->medium && !lun->tray_open) << 1);
		if (alloc >= len)
			lun->media_event = SCSI_MEDIA_NONE;
	} else {
		data[2] = 0x80; /* no such event */
	}
	put16(data, (uint16_t)(len - 2));
	scsi_reply(cmd, data, len, alloc);
}

static void prevent_allow(struct scsi_cmd *cmd)
{
	cmd->lun->locked = cmd->cdb[4] & 0x01;
	scsi_good(cmd, 0);
}

static void cdrom_start_stop(struct scsi_cmd *cmd)
{
	struct scsi_lun *lun = cmd->lun;
	bool start = cmd->cdb[4] & 0x01, load = cmd->cdb[4] & 0x02;
	bool was_open = lun->tray_open;

	if (cmd->cdb[4] >> 4) {
		scsi_good(cmd, 0); /* power conditions: the host's */
		return;
	}
	if (!load) {
		lun->stopped = !start;
		scsi_good(cmd, 0);
		return;
	}
	if (!start && lun->locked && !lun->tray_open) {
		scsi_check(cmd, SENSE_LOCKED);
		return;
	}
	scsi_lun_tray(lun, !start);
	if (lun->tray_open != was_open && lun->tray_moved)
		lun->tray_moved(lun);
	scsi_good(cmd, 0);
}

/* ---- what programs ask for ----------------------------------------------- */

/* MMC-6, 6.21: of the standard kind, finished, one session, one track. */
static void read_disc_information(struct scsi_cmd *cmd)
{
	uint8_t data[34] = { 0 };

	if (cmd->cdb[1] & 0x07) {
		scsi_bad_field(cmd, 1);
		return;
	}
	put16(data, sizeof(data) - 2);
	data[2] = 0x0e;
	data[3] = 1;
	data[4] = 1;
	data[5] = 1;
	data[6] = 1;
	memset(data + 16, 0xff, 8); /* nothing can be added */
	scsi_reply(cmd, data, sizeof(data), get16(cmd->cdb + 7));
}

/* MMC-6, 6.9: no changer */
static void mechanism_status(struct scsi_cmd *cmd)
{
	uint8_t data[8] = { 0 };

	data[1] = cmd->lun->tray_open ? 0x10 : 0;
	scsi_reply(cmd, data, sizeof(data), get16(cmd->cdb + 8));
}

/* ---- the type ------------------------------------------------------------ */

static void error_recovery(const struct scsi_lun *lun,
			   enum scsi_mode_values values, uint8_t *page)
{
	(void)lun;
	if (values != MODE_CHANGEABLE)
		page[3] = 5; /* retries */
}

/* MMC-3, 5.5.10 */
static void capabilities(const struct scsi_lun *lun,
			 enum scsi_mode_values values, uint8_t *page)
{
	if (values == MODE_CHANGEABLE)
		return;
	page[2] = 0x0b; /* reads CD-R, CD-RW, DVD-ROM */
	page[4] = 0x70; /* mode 2 forms 1 and 2, several sessions */
	page[6] = 0x29; /* a tray; it ejects and locks */
	if (lun->locked && values == MODE_CURRENT)
		page[6] |= 0x02;
	put16(page + 8, 50 * 176); /* KB/s, the fastest there were */
	put16(page + 12, 2048);	   /* KiB of buffer */
	put16(page + 14, 50 * 176);
}

static const struct scsi_mode_page cdrom_pages[] = {
	{ 0x01, 12, error_recovery },
	{ 0x2a, 22, capabilities },
	{ 0 },
};

static const struct scsi_vpd_page cdrom_vpd[] = {
	{ 0x80, scsi_vpd_serial },
	{ 0x83, scsi_vpd_id },
	{ 0 },
};

static const struct scsi_op cdrom_ops[] = {
	SCSI_COMMON_OPS,
	OP_PLAIN(START_STOP_UNIT, cdrom_start_stop, 0),
	OP_PLAIN(PREVENT_ALLOW_MEDIUM_REMOVAL, prevent_allow, 0),
	OP_BLOCKS(READ_10, scsi_read, 0, SCSI_IN, LENGTH_BLOCKS),
	OP_BLOCKS(READ_12, scsi_read, 0, SCSI_IN, LENGTH_BLOCKS),
	OP_FIELD(READ_TOC, read_toc, OP_MEDIUM, SCSI_IN, 7, 2),
	OP_FIELD(GET_CONFIGURATION, get_configuration, OP_ATTENTION, SCSI_IN, 7,
		 2),
	OP_FIELD(GET_EVENT_STATUS_NOTIFICATION, get_event_status, OP_ATTENTION,
		 SCSI_IN, 7, 2),
	OP_FIELD(READ_DISC_INFORMATION, read_disc_information, OP_MEDIUM,
		 SCSI_IN, 7, 2),
	OP_FIELD(MECHANISM_STATUS, mechanism_status, 0, SCSI_IN, 8, 2),
	{ 0 },
};

const struct scsi_type scsi_cdrom = {
	.product = "CD-ROM          ",
	.device_type = 0x05,
	.removable = true,
	.block_size = SCSI_CD_BLOCK,
	.ops = cdrom_ops,
	.pages = cdrom_pages,
	.vpd = cdrom_vpd,
};

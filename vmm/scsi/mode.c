// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MODE SENSE and MODE SELECT (SPC-4, 6.11 to 6.14).  All that can be selected
 * is the write cache of a disk, in its caching page.
 */
#include "command.h"

#include <string.h>

#define PAGE_CACHING 0x08
#define PAGE_ALL 0x3f
#define SUBPAGE_ALL 0xff
#define CACHING_WCE 0x04

#define MODE_DATA_MAX 256
#define PARAMETERS_MAX 512

static bool is_long(const struct scsi_cmd *cmd)
{
	return cmd->cdb[0] == MODE_SENSE_10 || cmd->cdb[0] == MODE_SELECT_10;
}

static unsigned int header_len(const struct scsi_cmd *cmd)
{
	return is_long(cmd) ? 8 : 4;
}

/* ---- MODE SENSE ---------------------------------------------------------- */

/* Of 8 bytes, or of 16 if the initiator takes it (SBC-3, 6.4.2). */
static unsigned int put_descriptor(const struct scsi_lun *lun, uint8_t *data,
				   bool longlba)
{
	uint64_t blocks = scsi_lun_blocks(lun);
	uint32_t size = scsi_lun_block_size(lun);

	if (longlba) {
		put64(data, blocks);
		put32(data + 12, size);
		return 16;
	}
	put32(data, blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX);
	put24(data + 5, size);
	return 8;
}

static unsigned int put_page(const struct scsi_lun *lun,
			     const struct scsi_mode_page *p,
			     enum scsi_mode_values values, uint8_t *data)
{
	memset(data, 0, p->len);
	p->fill(lun, values, data);
	data[0] = p->code;
	data[1] = (uint8_t)(p->len - 2);
	return p->len;
}

/* The pages that are asked for; 0 if there are none. */
static unsigned int put_pages(const struct scsi_cmd *cmd, uint8_t *data)
{
	enum scsi_mode_values values = cmd->cdb[2] >> 6;
	uint8_t code = cmd->cdb[2] & 0x3f, subpage = cmd->cdb[3];
	const struct scsi_mode_page *p;
	unsigned int len = 0;

	/* There are no subpages: all of them is page 0 of each. */
	if (subpage && subpage != SUBPAGE_ALL)
		return 0;
	for (p = cmd->lun->type->pages; p->len; p++)
		if (code == PAGE_ALL || code == p->code)
			len += put_page(cmd->lun, p, values, data + len);
	return len;
}

void scsi_mode_sense(struct scsi_cmd *cmd)
{
	const struct scsi_lun *lun = cmd->lun;
	bool want_descriptor = !(cmd->cdb[1] & 0x08); /* DBD */
	bool longlba = is_long(cmd) && cmd->cdb[1] & 0x10;
	uint8_t data[MODE_DATA_MAX] = { 0 };
	unsigned int head = header_len(cmd), desc = 0, pages;
	uint8_t parameter = lun->type->mode_parameter;

	if (cmd->cdb[2] >> 6 == MODE_SAVED) {
		scsi_check(cmd, SENSE_NO_SAVING);
		return;
	}
	if (lun->type->mode_block && want_descriptor)
		desc = put_descriptor(lun, data + head, longlba);
	pages = put_pages(cmd, data + head + desc);
	if (!pages) {
		scsi_bad_field(cmd, 2);
		return;
	}
	if (lun->type->mode_block && scsi_lun_readonly(lun))
		parameter |= 0x80; /* WP */
	if (is_long(cmd)) {
		put16(data, (uint16_t)(head + desc + pages - 2));
		data[3] = parameter;
		data[4] = desc == 16;
		put16(data + 6, (uint16_t)desc);
	} else {
		data[0] = (uint8_t)(head + desc + pages - 1);
		data[2] = parameter;
		data[3] = (uint8_t)desc;
	}
	scsi_reply(cmd, data, head + desc + pages,
		   is_long(cmd) ? get16(cmd->cdb + 7) : cmd->cdb[4]);
}

/* ---- MODE SELECT --------------------------------------------------------- */

static const struct scsi_mode_page *find_page(const struct scsi_lun *lun,
					      uint8_t code)
{
	const struct scsi_mode_page *p;

	for (p = lun->type->pages; p->len; p++)
		if (p->code == code)
			return p;
	return NULL;
}

/* Only what can be changed may differ; false after an end. */
static bool check_page(struct scsi_cmd *cmd, const struct scsi_mode_page *p,
		       unsigned int at)
{
	uint8_t now[MODE_PAGE_MAX], mask[MODE_PAGE_MAX];
	unsigned int i;

	put_page(cmd->lun, p, MODE_CURRENT, now);
	put_page(cmd->lun, p, MODE_CHANGEABLE, mask);
	for (i = 2; i < p->len; i++)
		if ((cmd->buf[at + i] ^ now[i]) & ~mask[i]) {
			scsi_bad_parameter(cmd, at + i);
			return false;
		}
	return true;
}

/*
 * Checks the pages from @at on; *cache is what they make of the write cache.
 * False after an end.
 */
static bool check_pages(struct scsi_cmd *cmd, unsigned int at, bool *cache)
{
	const struct scsi_mode_page *p;

	while (at < cmd->buf_len) {
		/* The bit above is reserved here, the next says subpage. */
		p = find_page(cmd->lun, cmd->buf[at] & 0x7f);
		if (!p) {
			scsi_bad_parameter(cmd, at);
			return false;
		}
		if (cmd->buf_len - at < p->len) {
			scsi_check(cmd, SENSE_PARAMETER_LENGTH);
			return false;
		}
		if (cmd->buf[at + 1] != p->len - 2) {
			scsi_bad_parameter(cmd, at + 1);
			return false;
		}
		if (!check_page(cmd, p, at))
			return false;
		if (p->code == PAGE_CACHING)
			*cache = cmd->buf[at + 2] & CACHING_WCE;
		at += p->len;
	}
	return true;
}

/* The block descriptor may only say what is so; false after an end. */
static bool check_descriptor(struct scsi_cmd *cmd, unsigned int at,
			     unsigned int len, bool longlba)
{
	uint8_t now[16] = { 0 };
	unsigned int i, size;

	if (!len)
		return true;
	size = longlba ? 16 : 8;
	if (!cmd->lun->type->mode_block || len != size) {
		scsi_bad_parameter(cmd, is_long(cmd) ? 6 : 3);
		return false;
	}
	if (cmd->buf_len - at < len) {
		scsi_check(cmd, SENSE_PARAMETER_LENGTH);
		return false;
	}
	put_descriptor(cmd->lun, now, longlba);
	for (i = 0; i < size; i++)
		if (cmd->buf[at + i] != now[i]) {
			scsi_bad_parameter(cmd, at + i);
			return false;
		}
	return true;
}

static void cache_is_off(struct scsi_cmd *cmd)
{
	cmd->lun->write_cache = false;
	scsi_good(cmd, cmd->buf_len);
}

void scsi_mode_select(struct scsi_cmd *cmd)
{
	unsigned int len = is_long(cmd) ? get16(cmd->cdb + 7) : cmd->cdb[4];
	unsigned int head = header_len(cmd), desc;
	bool cache = cmd->lun->write_cache, longlba;

	/* PF, and not SP: pages, not to be saved */
	if ((cmd->cdb[1] & 0x11) != 0x10) {
		scsi_bad_field(cmd, 1);
		return;
	}
	if (!len) {
		scsi_good(cmd, 0);
		return;
	}
	if (len < head || len > PARAMETERS_MAX) {
		scsi_check(cmd, SENSE_PARAMETER_LENGTH);
		return;
	}
	if (!scsi_parameters(cmd, len))
		return;
	desc = is_long(cmd) ? get16(cmd->buf + 6) : cmd->buf[3];
	longlba = is_long(cmd) && cmd->buf[4] & 0x01;
	if (!check_descriptor(cmd, head, desc, longlba) ||
	    !check_pages(cmd, head + desc, &cache))
		return;
	/* What was acknowledged as cached is not any longer. */
	if (!cache && cmd->lun->write_cache && cmd->medium) {
		scsi_block(cmd, BLOCK_FLUSH, 0, NULL, 0, cache_is_off);
		return;
	}
	cmd->lun->write_cache = cache;
	scsi_good(cmd, len);
}

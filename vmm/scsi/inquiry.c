// SPDX-License-Identifier: GPL-2.0-or-later
/* INQUIRY (SPC-4, 6.6), and its pages that all types have. */
#include "command.h"

#include <stdio.h>
#include <string.h>

#define VENDOR "VIREO   " /* 8 characters */
#define REVISION "1.0 "	  /* 4 */

#define STANDARD_LEN 36
#define NO_UNIT 0x7f /* neither is there one, nor can there be */

static void standard(struct scsi_cmd *cmd)
{
	const struct scsi_type *type = cmd->lun->type;
	uint8_t data[STANDARD_LEN] = { 0 };

	data[0] = cmd->other_lun ? NO_UNIT : type->device_type;
	data[1] = type->removable ? 0x80 : 0;
	data[2] = 0x05; /* SPC-3 */
	data[3] = 0x12; /* HISUP, response data format 2 */
	data[4] = STANDARD_LEN - 5;
	data[7] = 0x02; /* CMDQUE */
	memcpy(data + 8, VENDOR, 8);
	memcpy(data + 16, type->product, 16);
	memcpy(data + 32, REVISION, 4);
	scsi_reply(cmd, data, sizeof(data), get16(cmd->cdb + 3));
}

size_t scsi_vpd_serial(const struct scsi_lun *lun, uint8_t *page)
{
	size_t len = strlen(lun->serial);

	memcpy(page + 4, lun->serial, len);
	return 4 + len;
}

/* One designator, of the vendor and the serial number. */
size_t scsi_vpd_id(const struct scsi_lun *lun, uint8_t *page)
{
	size_t len = strlen(lun->serial);

	page[4] = 0x02; /* ASCII */
	page[5] = 0x01; /* of the unit, T10 vendor ID based */
	page[7] = (uint8_t)(8 + len);
	memcpy(page + 8, VENDOR, 8);
	memcpy(page + 16, lun->serial, len);
	return 16 + len;
}

static size_t page_list(const struct scsi_vpd_page *vpd, uint8_t *page)
{
	size_t len = 4;

	page[len++] = 0x00;
	for (; vpd->fill; vpd++)
		page[len++] = vpd->code;
	return len;
}

static void vital_product_data(struct scsi_cmd *cmd)
{
	const struct scsi_vpd_page *vpd = cmd->lun->type->vpd;
	uint8_t page[VPD_PAGE_MAX] = { 0 };
	uint8_t code = cmd->cdb[2];
	size_t len;

	if (!code) {
		len = page_list(vpd, page);
	} else {
		while (vpd->fill && vpd->code != code)
			vpd++;
		if (!vpd->fill) {
			scsi_bad_field(cmd, 2);
			return;
		}
		len = vpd->fill(cmd->lun, page);
	}
	page[0] = cmd->other_lun ? NO_UNIT : cmd->lun->type->device_type;
	page[1] = code;
	put16(page + 2, (uint16_t)(len - 4));
	scsi_reply(cmd, page, len, get16(cmd->cdb + 3));
}

void scsi_inquiry(struct scsi_cmd *cmd)
{
	/* CMDDT, of older standards */
	if (cmd->cdb[1] & 0x02)
		scsi_bad_field(cmd, 1);
	else if (cmd->cdb[1] & 0x01)
		vital_product_data(cmd);
	else if (cmd->cdb[2])
		scsi_bad_field(cmd, 2);
	else
		standard(cmd);
}

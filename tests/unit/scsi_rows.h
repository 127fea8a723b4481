/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands, one a row, and what must come of them, in this order. */
#ifndef TEST_SCSI_ROWS_H
#define TEST_SCSI_ROWS_H

#include "scsi/scsi.h"

#define BLOCKS 256 /* of 512 bytes, of the disk; the CD-ROM has a quarter */
#define KEPT (BLOCKS * 512)

#define OVERRUN 0xffffffff

struct row {
	const char *name;
	uint8_t cdb[16];
	unsigned int cdb_len;
	enum scsi_dir dir;
	size_t len;	/* of the buffers, which are zeros if OUT */
	uint32_t sense; /* 0: GOOD; OVERRUN */
	uint64_t moved;
	int field; /* that the sense data points at; 0: nothing */
};

#define ROW(n, d, l, s, m, f, ...)                                       \
	{                                                                \
		.name = n, .cdb = { __VA_ARGS__ },                       \
		.cdb_len = sizeof((uint8_t[]){ __VA_ARGS__ }), .dir = d, \
		.len = l, .sense = s, .moved = m, .field = f             \
	}
#define IN(n, l, s, m, f, ...) ROW(n, SCSI_IN, l, s, m, f, __VA_ARGS__)
#define OUT(n, l, s, m, f, ...) ROW(n, SCSI_OUT, l, s, m, f, __VA_ARGS__)
#define NO(n, s, f, ...) ROW(n, SCSI_NONE, 0, s, 0, f, __VA_ARGS__)

#define BAD_FIELD 0x052400
#define BAD_LBA 0x052100
#define BAD_OPCODE 0x052000
#define BAD_LENGTH 0x051a00
#define BAD_LIST 0x052600

static const struct row any_rows[] = {
	NO("TEST UNIT READY", 0, 0, 0, 0, 0, 0, 0, 0),
	NO("NACA", BAD_FIELD, 5, 0, 0, 0, 0, 0, 4),
	NO("short CDB", BAD_FIELD, 5, 0, 0, 0, 0, 0),
	IN("buffers, but no data", 64, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	OUT("buffers the other way", 64, 0, 0, 0, 0, 0, 0, 0, 0, 0),

	IN("INQUIRY", 36, 0, 36, 0, 0x12, 0, 0, 0, 36, 0),
	IN("INQUIRY, 5", 5, 0, 5, 0, 0x12, 0, 0, 0, 5, 0),
	IN("INQUIRY, long", 300, 0, 36, 0, 0x12, 0, 0, 1, 0x2c, 0),
	IN("INQUIRY, 0", 64, 0, 0, 0, 0x12, 0, 0, 0, 0, 0),
	NO("INQUIRY, 0, no buffers", 0, 0, 0x12, 0, 0, 0, 0, 0),
	IN("INQUIRY, residual", 255, 0, 20, 0, 0x12, 0, 0, 0, 20, 0),
	IN("INQUIRY, overrun", 35, OVERRUN, 0, 0, 0x12, 0, 0, 0, 36, 0),
	OUT("INQUIRY, wrong way", 64, OVERRUN, 0, 0, 0x12, 0, 0, 0, 36, 0),
	NO("INQUIRY, no buffers", OVERRUN, 0, 0x12, 0, 0, 0, 36, 0),
	IN("INQUIRY, CMDDT", 64, BAD_FIELD, 0, 1, 0x12, 2, 0, 0, 36, 0),
	IN("INQUIRY, page but no EVPD", 64, BAD_FIELD, 0, 2, 0x12, 0, 0x80, 0,
	   36, 0),
	IN("VPD list, 4", 4, 0, 4, 0, 0x12, 1, 0, 0, 4, 0),
	IN("VPD serial", 255, 0, 12, 0, 0x12, 1, 0x80, 0, 255, 0),
	IN("VPD serial, 6", 255, 0, 6, 0, 0x12, 1, 0x80, 0, 6, 0),
	IN("VPD id", 255, 0, 24, 0, 0x12, 1, 0x83, 0, 255, 0),
	IN("VPD unknown", 255, BAD_FIELD, 0, 2, 0x12, 1, 0x42, 0, 255, 0),
	IN("VPD last", 255, BAD_FIELD, 0, 2, 0x12, 1, 0xff, 0, 255, 0),

	IN("REQUEST SENSE", 18, 0, 18, 0, 3, 0, 0, 0, 18, 0),
	IN("REQUEST SENSE, 252", 252, 0, 18, 0, 3, 0, 0, 0, 252, 0),
	IN("REQUEST SENSE, 8", 252, 0, 8, 0, 3, 0, 0, 0, 8, 0),
	IN("REQUEST SENSE, DESC", 252, BAD_FIELD, 0, 1, 3, 1, 0, 0, 252, 0),

	IN("REPORT LUNS", 64, 0, 16, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0),
	IN("REPORT LUNS, all", 64, 0, 16, 0, 0xa0, 0, 2, 0, 0, 0, 0, 0, 0, 64,
	   0, 0),
	IN("REPORT LUNS, well-known", 64, 0, 8, 0, 0xa0, 0, 1, 0, 0, 0, 0, 0, 0,
	   64, 0, 0),
	IN("REPORT LUNS, other", 64, BAD_FIELD, 0, 2, 0xa0, 0, 3, 0, 0, 0, 0, 0,
	   0, 64, 0, 0),
	IN("REPORT LUNS, 15", 64, BAD_FIELD, 0, 6, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0,
	   15, 0, 0),
	IN("REPORT LUNS, 4 GiB", 64, OVERRUN, 0, 0, 0xa0, 0, 0, 0, 0, 0, 0xff,
	   0xff, 0xff, 0xff, 0, 0),

	IN("MODE SENSE 6, saved", 192, 0x053900, 0, 0, 0x1a, 0, 0xff, 0, 192,
	   0),
	IN("MODE SENSE 6, unknown", 192, BAD_FIELD, 0, 2, 0x1a, 0, 0x15, 0, 192,
	   0),
	IN("MODE SENSE 6, subpage", 192, BAD_FIELD, 0, 2, 0x1a, 0, 0x01, 1, 192,
	   0),
	IN("MODE SENSE 6, 3", 192, 0, 3, 0, 0x1a, 0, 0x3f, 0, 3, 0),
	IN("MODE SENSE 10, 0", 192, 0, 0, 0, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 0,
	   0),
	OUT("MODE SELECT 6, no PF", 12, BAD_FIELD, 0, 1, 0x15, 0, 0, 0, 12, 0),
	OUT("MODE SELECT 6, SP", 12, BAD_FIELD, 0, 1, 0x15, 0x11, 0, 0, 12, 0),
	OUT("MODE SELECT 6, 0", 12, 0, 0, 0, 0x15, 0x10, 0, 0, 0, 0),
	OUT("MODE SELECT 6, 3", 12, BAD_LENGTH, 0, 0, 0x15, 0x10, 0, 0, 3, 0),
	OUT("MODE SELECT 6, header", 12, 0, 4, 0, 0x15, 0x10, 0, 0, 4, 0),
	OUT("MODE SELECT 10, 7", 12, BAD_LENGTH, 0, 0, 0x55, 0x10, 0, 0, 0, 0,
	    0, 0, 7, 0),
	OUT("MODE SELECT 10, huge", 65535, BAD_LENGTH, 0, 0, 0x55, 0x10, 0, 0,
	    0, 0, 0, 0xff, 0xff, 0),

	IN("READ CAPACITY 10", 8, 0, 8, 0, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	IN("READ CAPACITY 10, residual", 99, 0, 8, 0, 0x25, 0, 0, 0, 0, 0, 0, 0,
	   0, 0),
	IN("READ CAPACITY 10, 7", 7, OVERRUN, 0, 0, 0x25, 0, 0, 0, 0, 0, 0, 0,
	   0, 0),
	IN("READ CAPACITY 10, PMI", 8, BAD_FIELD, 0, 8, 0x25, 0, 0, 0, 0, 0, 0,
	   0, 1, 0),
	IN("READ CAPACITY 10, address", 8, BAD_FIELD, 0, 2, 0x25, 0, 0, 0, 0, 1,
	   0, 0, 0, 0),

	IN("PERSISTENT RESERVE IN", 64, BAD_OPCODE, 0, 0, 0x5e, 0, 0, 0, 0, 0,
	   0, 0, 64, 0),
	OUT("PERSISTENT RESERVE OUT", 24, BAD_OPCODE, 0, 0, 0x5f, 0, 0, 0, 0, 0,
	    0, 0, 24, 0),
	NO("RESERVE 6", BAD_OPCODE, 0, 0x16, 0, 0, 0, 0, 0),
	NO("FORMAT UNIT", BAD_OPCODE, 0, 0x04, 0, 0, 0, 0, 0),
	IN("REPORT OPCODES", 64, BAD_OPCODE, 0, 0, 0xa3, 0x0c, 0, 0, 0, 0, 0, 0,
	   0, 64, 0, 0),
	NO("variable length", BAD_OPCODE, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	NO("vendor's", BAD_OPCODE, 0, 0xff, 0, 0, 0, 0, 0, 0, 0),
};

#endif

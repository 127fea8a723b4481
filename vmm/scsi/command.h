/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to vmm/scsi: how commands are carried out.
 *
 * A type of unit has a table of commands.  A command's function ends with one
 * of
 *   scsi_good, scsi_reply, scsi_check, scsi_bad_field   it is done
 *   scsi_block                   a step follows when the block layer is done
 * and so does each step.  What the CDB asks for was compared with the buffers
 * before: a command finds at least as much as its row says, but scsi_reply
 * looks again.
 */
#ifndef VIREO_SCSI_COMMAND_H
#define VIREO_SCSI_COMMAND_H

#include "scsi.h"

enum scsi_opcode {
	TEST_UNIT_READY = 0x00,
	REQUEST_SENSE = 0x03,
	READ_6 = 0x08,
	WRITE_6 = 0x0a,
	INQUIRY = 0x12,
	MODE_SELECT_6 = 0x15,
	MODE_SENSE_6 = 0x1a,
	START_STOP_UNIT = 0x1b,
	PREVENT_ALLOW_MEDIUM_REMOVAL = 0x1e,
	READ_CAPACITY_10 = 0x25,
	READ_10 = 0x28,
	WRITE_10 = 0x2a,
	VERIFY_10 = 0x2f,
	SYNCHRONIZE_CACHE_10 = 0x35,
	WRITE_SAME_10 = 0x41,
	UNMAP = 0x42,
	READ_TOC = 0x43,
	GET_CONFIGURATION = 0x46,
	GET_EVENT_STATUS_NOTIFICATION = 0x4a,
	READ_DISC_INFORMATION = 0x51,
	MODE_SELECT_10 = 0x55,
	MODE_SENSE_10 = 0x5a,
	READ_16 = 0x88,
	WRITE_16 = 0x8a,
	VERIFY_16 = 0x8f,
	SYNCHRONIZE_CACHE_16 = 0x91,
	WRITE_SAME_16 = 0x93,
	SERVICE_ACTION_IN_16 = 0x9e,
	REPORT_LUNS = 0xa0,
	READ_12 = 0xa8,
	WRITE_12 = 0xaa,
	VERIFY_12 = 0xaf,
	MECHANISM_STATUS = 0xbd,
};

#define READ_CAPACITY_16 0x10 /* of SERVICE_ACTION_IN_16 */

/* Sense key, additional sense code and its qualifier, a byte each. */
enum scsi_sense {
	SENSE_NONE = 0x000000,
	SENSE_STOPPED = 0x020402,   /* initializing command required */
	SENSE_NO_MEDIUM = 0x023a01, /* tray closed */
	SENSE_TRAY_OPEN = 0x023a02, /* no medium */
	SENSE_WRITE_ERROR = 0x030c00,
	SENSE_READ_ERROR = 0x031100,
	SENSE_TARGET_FAILURE = 0x044400,
	SENSE_PARAMETER_LENGTH = 0x051a00,
	SENSE_INVALID_OPCODE = 0x052000,
	SENSE_LBA_OUT_OF_RANGE = 0x052100,
	SENSE_INVALID_FIELD = 0x052400, /* in the CDB */
	SENSE_NO_LUN = 0x052500,
	SENSE_INVALID_PARAMETER = 0x052600, /* in the parameter list */
	SENSE_NO_SAVING = 0x053900,
	SENSE_LOCKED = 0x055302, /* medium removal prevented */
	SENSE_RESET = 0x062900,
	SENSE_MEDIUM_CHANGED = 0x062800,
	SENSE_CAPACITY_CHANGED = 0x062a09,
	SENSE_READONLY = 0x072700,
	SENSE_NO_SPACE = 0x072707,
	SENSE_MISCOMPARE = 0x0e1d00,
};

/* How long the data of a command is. */
enum scsi_length {
	LENGTH_FIELD,	 /* as the field length_at of the CDB says */
	LENGTH_BLOCKS,	 /* as many blocks as the CDB counts */
	LENGTH_VERIFY,	 /* the same, if it is to be compared at all */
	LENGTH_PATTERN,	 /* one block, unless the CDB does without */
	LENGTH_CAPACITY, /* eight bytes */
};

#define OP_MEDIUM 0x01	  /* needs a unit that is ready */
#define OP_WRITES 0x02	  /* needs one that can be written to */
#define OP_ATTENTION 0x04 /* leaves a unit attention alone */
#define OP_ACTION 0x08	  /* only with this service action */

struct scsi_op {
	void (*run)(struct scsi_cmd *cmd); /* NULL ends a table */
	uint8_t code;
	uint8_t action;
	uint8_t flags;
	uint8_t dir;	/* enum scsi_dir */
	uint8_t length; /* enum scsi_length */
	uint8_t length_at;
	uint8_t length_size; /* bytes of the field; FIELD with 0: no data */
};

/* Which values MODE SENSE wants. */
enum scsi_mode_values {
	MODE_CURRENT,
	MODE_CHANGEABLE, /* ones where MODE SELECT can change something */
	MODE_DEFAULT,
	MODE_SAVED,
};

#define MODE_PAGE_MAX 32

struct scsi_mode_page {
	uint8_t code;
	uint8_t len; /* with its header; 0 ends a table */
	/* @page is zeros behind the header. */
	void (*fill)(const struct scsi_lun *lun, enum scsi_mode_values values,
		     uint8_t *page);
};

#define VPD_PAGE_MAX 96

struct scsi_vpd_page {
	uint8_t code;
	/* @page is zeros; the length of all of it.  NULL ends a table. */
	size_t (*fill)(const struct scsi_lun *lun, uint8_t *page);
};

struct scsi_type {
	const char *product; /* 16 characters */
	uint8_t device_type;
	bool removable;
	uint8_t mode_parameter; /* device-specific, of MODE SENSE */
	bool mode_block;	/* with a block descriptor */
	uint32_t block_size;	/* 0: the image's */
	const struct scsi_op *ops;
	const struct scsi_mode_page *pages;
	const struct scsi_vpd_page *vpd; /* in rising order */
};

/* ---- the bytes of CDBs and parameters ---- */

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | get16(p + 1);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

static inline void put16(uint8_t *p, uint16_t val)
{
	p[0] = (uint8_t)(val >> 8);
	p[1] = (uint8_t)val;
}

static inline void put24(uint8_t *p, uint32_t val)
{
	p[0] = (uint8_t)(val >> 16);
	put16(p + 1, (uint16_t)val);
}

static inline void put32(uint8_t *p, uint32_t val)
{
	put16(p, (uint16_t)(val >> 16));
	put16(p + 2, (uint16_t)val);
}

static inline void put64(uint8_t *p, uint64_t val)
{
	put32(p, (uint32_t)(val >> 32));
	put32(p + 4, (uint32_t)val);
}

/* Where the commands of a group have their blocks; READ 6 means 256 by 0. */
uint64_t scsi_cdb_lba(const uint8_t *cdb);
uint32_t scsi_cdb_count(const uint8_t *cdb);

/* ---- ends ---- */

void scsi_good(struct scsi_cmd *cmd, uint64_t moved);
/* As much of @data as the CDB's allocation length, @alloc, lets through. */
void scsi_reply(struct scsi_cmd *cmd, const void *data, size_t len,
		size_t alloc);
void scsi_check(struct scsi_cmd *cmd, enum scsi_sense sense);
/* Byte @at of the CDB, or of the parameter list. */
void scsi_bad_field(struct scsi_cmd *cmd, unsigned int at);
void scsi_bad_parameter(struct scsi_cmd *cmd, unsigned int at);
/* The host's error @ret, of reading or of writing. */
void scsi_host_error(struct scsi_cmd *cmd, int ret, bool write);

/* ---- steps ---- */

/*
 * Has the block layer do @op on cmd->offset and @len bytes with @iov; @step
 * follows if that succeeds.
 */
void scsi_block(struct scsi_cmd *cmd, enum block_op op, uint64_t len,
		const struct iovec *iov, unsigned int nr_iov,
		void (*step)(struct scsi_cmd *cmd));
/* cmd->buf of @len bytes, aligned for any disk; false after an end. */
bool scsi_buffer(struct scsi_cmd *cmd, size_t len);
/* Copies @len bytes of parameters into cmd->buf; false after an end. */
bool scsi_parameters(struct scsi_cmd *cmd, size_t len);

/* ---- commands of all types ---- */

/* SENSE_NONE if it is ready to move data. */
enum scsi_sense scsi_ready_sense(const struct scsi_lun *lun);

void scsi_test_unit_ready(struct scsi_cmd *cmd);
void scsi_request_sense(struct scsi_cmd *cmd);
void scsi_report_luns(struct scsi_cmd *cmd);
void scsi_inquiry(struct scsi_cmd *cmd);    /* inquiry.c */
void scsi_mode_sense(struct scsi_cmd *cmd); /* mode.c */
void scsi_mode_select(struct scsi_cmd *cmd);
void scsi_read(struct scsi_cmd *cmd); /* transfer.c */
void scsi_write(struct scsi_cmd *cmd);
void scsi_verify(struct scsi_cmd *cmd);
void scsi_write_same(struct scsi_cmd *cmd);
void scsi_unmap(struct scsi_cmd *cmd);
void scsi_synchronize_cache(struct scsi_cmd *cmd);
void scsi_read_capacity_10(struct scsi_cmd *cmd);

size_t scsi_vpd_serial(const struct scsi_lun *lun, uint8_t *page);
size_t scsi_vpd_id(const struct scsi_lun *lun, uint8_t *page);

/* Of 512 bytes: what a command may take on, so that it ends in useful time. */
#define TRANSFER_SECTORS (1U << 16)
#define WRITE_SAME_SECTORS (1U << 16)
#define UNMAP_SECTORS (1U << 22)
#define UNMAP_DESCRIPTORS 256

/* Rows of ops: without data, and with as much as a field of the CDB says. */
#define OP_PLAIN(op, fn, f)                             \
	{                                               \
		.code = (op), .run = (fn), .flags = (f) \
	}
#define OP_FIELD(op, fn, f, direction, at, size)                             \
	{                                                                    \
		.code = (op), .run = (fn), .flags = (f), .dir = (direction), \
		.length = LENGTH_FIELD, .length_at = (at),                   \
		.length_size = (size)                                        \
	}
#define OP_BLOCKS(op, fn, f, direction, kind)                        \
	{                                                            \
		.code = (op), .run = (fn), .flags = (f) | OP_MEDIUM, \
		.dir = (direction), .length = (kind)                 \
	}

/* Those that all types have. */
#define SCSI_COMMON_OPS                                                        \
	OP_PLAIN(TEST_UNIT_READY, scsi_test_unit_ready, OP_MEDIUM),            \
		OP_FIELD(REQUEST_SENSE, scsi_request_sense, OP_ATTENTION,      \
			 SCSI_IN, 4, 1),                                       \
		OP_FIELD(INQUIRY, scsi_inquiry, OP_ATTENTION, SCSI_IN, 3, 2),  \
		OP_FIELD(REPORT_LUNS, scsi_report_luns, OP_ATTENTION, SCSI_IN, \
			 6, 4),                                                \
		OP_FIELD(MODE_SENSE_6, scsi_mode_sense, 0, SCSI_IN, 4, 1),     \
		OP_FIELD(MODE_SENSE_10, scsi_mode_sense, 0, SCSI_IN, 7, 2),    \
		OP_FIELD(MODE_SELECT_6, scsi_mode_select, 0, SCSI_OUT, 4, 1),  \
		OP_FIELD(MODE_SELECT_10, scsi_mode_select, 0, SCSI_OUT, 7, 2), \
		OP_BLOCKS(READ_CAPACITY_10, scsi_read_capacity_10, 0, SCSI_IN, \
			  LENGTH_CAPACITY)

#endif

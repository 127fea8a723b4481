/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI logical units without their transport: from a command descriptor block
 * (CDB) and buffers to a status, sense data and what was moved.  Disks are as
 * SBC-3 has them, CD-ROM drives as MMC-6, both as SPC-4.
 *
 * A command goes from step to step, each of which is left when the block layer
 * has done what it asked for; see command.h.  CDBs and parameter lists are the
 * guest's: each is copied once, every field is bounded before it is used.
 *
 * A unit is its target's only one, at number 0, and has one initiator.
 *
 * No lock: a unit, its commands and its medium belong to one loop.
 */
#ifndef VIREO_SCSI_SCSI_H
#define VIREO_SCSI_SCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../block/block.h"

struct aio;
struct scsi_cmd;
struct scsi_lun;
struct scsi_type;

#define SCSI_CDB_LEN 16	  /* the longest that a command here has */
#define SCSI_SENSE_LEN 18 /* of fixed format */
#define SCSI_SERIAL_MAX 36
#define SCSI_CD_BLOCK 2048
#define SCSI_BLOCK_MAX 4096

/* SAM-5, 5.3.1 */
enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_BUSY = 0x08,
};

/* Where the data of a command goes, seen from the initiator. */
enum scsi_dir { SCSI_NONE, SCSI_IN, SCSI_OUT };

/* Closed when the last command that uses it is done. */
struct scsi_medium {
	struct block *block; /* owns */
	unsigned int users;
};

struct scsi_cmd {
	/* By who submits it. */
	struct scsi_lun *lun;
	struct aio *aio; /* for the block layer */
	uint8_t cdb[SCSI_CDB_LEN];
	unsigned int cdb_len; /* bytes that were given; the rest are zeros */
	bool other_lun;	      /* it is for a unit that the target has not */
	/* The buffers, of one direction; they and the array are changed. */
	enum scsi_dir dir;
	struct iovec *iov;
	unsigned int nr_iov;
	uint64_t len;
	/* Called once, possibly before scsi_submit returns. */
	void (*done)(struct scsi_cmd *cmd);

	/* What came of it. */
	bool overrun;	/* the CDB asks for more than the buffers have */
	bool cancelled; /* by scsi_cancel; the rest says nothing then */
	uint8_t status;
	uint8_t sense_len;
	uint8_t sense[SCSI_SENSE_LEN];
	uint64_t moved; /* bytes of data, from or to the start of the buffers */

	/* Private. */
	struct block_req req;
	struct scsi_medium *medium; /* a reference */
	void (*step)(struct scsi_cmd *cmd);
	bool wanted;	/* req is to be submitted */
	bool inside;	/* block_submit */
	bool returned;	/* req is done */
	int ret;	/* of req */
	uint8_t *buf;	/* owns: parameters, or a chunk of data */
	size_t buf_len; /* that is used */
	struct iovec chunk;
	uint64_t since;	 /* loop_now() when req was submitted */
	uint64_t offset; /* of what is left to do, in bytes */
	uint64_t left;
};

/* Reasons for unit attention, in the order in which they are told. */
enum scsi_attention {
	SCSI_ATTENTION_RESET,	 /* power on, or reset */
	SCSI_ATTENTION_MEDIUM,	 /* it may have changed */
	SCSI_ATTENTION_CAPACITY, /* it has changed */
	SCSI_NR_ATTENTIONS,
};

/* What GET EVENT STATUS NOTIFICATION tells of the medium (MMC-6, 6.6.2.6). */
enum scsi_media_event {
	SCSI_MEDIA_NONE,
	SCSI_MEDIA_EJECT_REQUEST,
	SCSI_MEDIA_NEW,
	SCSI_MEDIA_REMOVED,
};

struct scsi_lun {
	const struct scsi_type *type;
	struct scsi_medium *medium; /* NULL: none; owns a reference */
	char serial[SCSI_SERIAL_MAX + 1];
	bool write_cache; /* else each write is on stable storage when done */
	bool write_cache_default;
	bool stopped;	/* by START STOP UNIT */
	bool locked;	/* the guest prevents removal */
	bool tray_open; /* of a drive */
	uint8_t attentions;
	enum scsi_media_event media_event;
	/* May be NULL: the guest has opened or closed the tray. */
	void (*tray_moved)(struct scsi_lun *lun);
	/* May be NULL: the block layer has done something in @ns. */
	void (*count)(struct scsi_lun *lun, const struct block_req *req,
		      int ret, uint64_t ns);
	/* May be NULL: false if @cmd->req has to wait; scsi_go submits it. */
	bool (*admit)(struct scsi_lun *lun, struct scsi_cmd *cmd);
	/* May be NULL: @cmd->req has failed; true if it waits for scsi_go. */
	bool (*failed)(struct scsi_lun *lun, struct scsi_cmd *cmd, int ret);
};

extern const struct scsi_type scsi_disk;
extern const struct scsi_type scsi_cdrom;

/*
 * @block, which may be NULL for a drive, is taken if this succeeds; -ENOMEM;
 * -EINVAL if its blocks are not of a size that the type can have.
 */
int scsi_lun_init(struct scsi_lun *lun, const struct scsi_type *type,
		  struct block *block, const char *serial);
/* No command is in flight. */
void scsi_lun_destroy(struct scsi_lun *lun);

/* Power on, bus device reset. */
void scsi_lun_reset(struct scsi_lun *lun);
/* The image has another size. */
void scsi_lun_resized(struct scsi_lun *lun);

/* Of a drive: NULL takes the medium out.  As scsi_lun_init; the tray stays. */
int scsi_lun_load(struct scsi_lun *lun, struct block *block);
void scsi_lun_tray(struct scsi_lun *lun, bool open);
/* Tells a guest that has locked the tray that somebody wants to open it. */
void scsi_lun_ask_eject(struct scsi_lun *lun);

bool scsi_lun_is_cdrom(const struct scsi_lun *lun);
bool scsi_lun_readonly(const struct scsi_lun *lun);
/* Of the medium; 0 if there is none. */
uint64_t scsi_lun_blocks(const struct scsi_lun *lun);
uint32_t scsi_lun_block_size(const struct scsi_lun *lun);

/* lun, aio, cdb, cdb_len, other_lun, the buffers and done are set. */
void scsi_submit(struct scsi_cmd *cmd);
/* Ends it after what is at the block layer now; done is called as ever. */
void scsi_cancel(struct scsi_cmd *cmd);
/* Of a command that admit or failed has kept: it goes on, or ends if cancelled. */
void scsi_go(struct scsi_cmd *cmd);
/* It is forgotten: done is not called. */
void scsi_drop(struct scsi_cmd *cmd);

#endif

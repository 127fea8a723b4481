/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images: what block.c does not need, but `vireo img` does.  A running
 * machine uses them as a block format (block.h).
 *
 * Functions take the image's lock themselves.
 */
#ifndef VIREO_BLOCK_QCOW2_H
#define VIREO_BLOCK_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block;
struct error;
struct qcow2;

struct qcow2_create {
	uint64_t size;		    /* of the disk; a multiple of 512 */
	unsigned int version;	    /* 2 or 3 */
	uint32_t cluster_size;	    /* a power of two, 512 to 2 MiB */
	unsigned int refcount_bits; /* a power of two, 1 to 64 */
	bool lazy;		    /* refcounts; version 3 only */
	bool zstd;	     /* for compressed clusters; version 3 only */
	const char *backing; /* name of the backing file, or NULL */
	const char *backing_format; /* with it */
};

/* What to do with an image whose tables are not to be trusted. */
enum qcow2_repair {
	QCOW2_NO_REPAIR,
	QCOW2_REPAIR_LEAKS,
	QCOW2_REPAIR_ALL,
};

enum {
	QCOW2_READONLY = 1,
	QCOW2_FOR_REPAIR = 2, /* even if it is marked dirty or corrupt */
};

/* Makes an image of the empty file @fd. */
int qcow2_create(int fd, const struct qcow2_create *how, struct error *err);

/* @fd is borrowed; @path is for messages. */
int qcow2_open(struct qcow2 **q, int fd, const char *path, unsigned int flags,
	       struct error *err);
/* -errno if the image is not complete on disk. */
int qcow2_close(struct qcow2 *q);
/* All that was written is on disk. */
int qcow2_flush(struct qcow2 *q);

struct qcow2_info {
	uint64_t size;
	unsigned int version;
	uint32_t cluster_size;
	unsigned int refcount_bits;
	bool lazy;
	bool zstd;
	bool dirty;
	bool corrupt;
	uint32_t nr_snapshots;
	const char *backing; /* the image's */
	const char *backing_format;
};

void qcow2_info(struct qcow2 *q, struct qcow2_info *info);
/* The image of a block whose format is qcow2, else NULL. */
struct qcow2 *qcow2_of(const struct block *block);
struct block *qcow2_backing_of(const struct block *block);

struct qcow2_check {
	uint64_t corruptions; /* found and not repaired */
	uint64_t leaks;
	uint64_t corruptions_fixed;
	uint64_t leaks_fixed;
	uint64_t errors;    /* what could not be read */
	uint64_t allocated; /* guest clusters */
	uint64_t total;
	uint64_t fragmented; /* not behind the one before */
	uint64_t compressed;
	uint64_t end; /* of the image: what is behind it is not used */
	/* Says what was found; may be NULL. */
	void (*tell)(void *opaque, const char *text);
	void *opaque;
};

/* 0: it was checked, whatever was found. */
int qcow2_check(struct qcow2 *q, enum qcow2_repair repair,
		struct qcow2_check *check, struct error *err);

/*
 * What is new reads as zeros, also where the backing file has @backing bytes.
 * Requests may be under way.
 */
int qcow2_grow(struct qcow2 *q, uint64_t size, uint64_t backing,
	       struct error *err);
/* No request is under way. */
int qcow2_shrink(struct qcow2 *q, uint64_t size, struct error *err);

enum qcow2_clear {
	QCOW2_DISCARD,	 /* give back space; reads as zeros if that is free */
	QCOW2_ZERO_KEEP, /* reads as zeros */
	QCOW2_ZERO_FREE, /* reads as zeros; give back space */
	QCOW2_DROP,	 /* as if never written: also behind the disk's end */
};

/*
 * Compresses @buf, a cluster (the last one may be shorter), into a cluster
 * that is not allocated.  1: it does not get smaller, and nothing was done.
 */
int qcow2_write_compressed(struct qcow2 *q, uint64_t offset, const void *buf,
			   size_t len);

struct qcow2_snapshot_info {
	char *id;
	char *name;
	uint64_t size; /* of the disk then; 0: not known */
	uint64_t vm_state;
	uint64_t vm_clock; /* ns */
	uint64_t seconds;  /* since the Epoch */
};

/* The @index-th, valid until the next call for @q; NULL: there are no more. */
const struct qcow2_snapshot_info *qcow2_snapshot_at(struct qcow2 *q,
						    uint32_t index);
int qcow2_snapshot_create(struct qcow2 *q, const char *name, struct error *err);
/* By name, else by ID.  The disk is then as it was. */
int qcow2_snapshot_apply(struct qcow2 *q, const char *name, struct error *err);
int qcow2_snapshot_delete(struct qcow2 *q, const char *name, struct error *err);

#endif

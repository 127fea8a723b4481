/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of one open qcow2 image.  Private to the qcow2*.c files.
 *
 * Locks:
 *   qcow2.lock   mutex   everything in struct qcow2 that changes; every
 *                        function here wants it held, unless it says otherwise.
 *                        Held while tables are read, written and synced,
 *                        never while guest data is.
 *
 * So requests of other queues wait while a commit waits for the disk, but not
 * for long: if there are others, qcow2_flush_step() has the guest's data synced
 * before, without the lock, and what a commit finds to sync are a few tables.
 * To let go of the lock there would take a copy of all changed tables, of one
 * moment, since what is written must not point to what was allocated later; a
 * cache that knows tables which are clean but not on disk yet, and frees that
 * know of which copy they are; and resizes, snapshots and evictions, which
 * commit, too, would have to wait for whoever is at it.  All that is what keeps
 * an image whole after a crash: it is not worth those few writes.
 *
 * What makes an image safe at any instant:
 *  1. Changed tables stay in the caches until qcow2_commit() writes them:
 *     refcounts, then L2 tables, then the L1 table, with a sync between two
 *     and one at the end.  So nothing on disk points to a cluster that is
 *     free on disk.
 *  2. A new data cluster is entered into its L2 table when its data is
 *     written (qcow2_link), and so data is on disk before what points to it.
 *  3. A cluster that nothing points to any more is free only after the next
 *     commit, and after all requests are done which began before
 *     (qcow2_free_later): on disk, or in flight, something may still use it.
 *  4. What an image says is not believed: before anything is written to a
 *     cluster, qcow2_may_write() looks whether a table is there.
 *
 * With lazy refcounts a commit leaves refcounts out; the image has its dirty
 * bit set meanwhile, and the refcounts are computed anew if that is found.
 */
#ifndef VIREO_BLOCK_QCOW2_IMAGE_H
#define VIREO_BLOCK_QCOW2_IMAGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../log.h"
#include "qcow2.h"
#include "qcow2_format.h"

struct error;

/* One cluster: an L2 table or a block of refcounts, as it is on disk. */
struct qcow2_table {
	uint64_t offset;
	struct qcow2_table *next; /* of its bucket */
	struct qcow2_table *older;
	struct qcow2_table *newer;
	bool dirty;
	uint8_t data[];
};

#define QCOW2_BUCKETS 1024

/* Tables stay until qcow2_trim() or qcow2_forget(), however many. */
struct qcow2_cache {
	struct qcow2_table *buckets[QCOW2_BUCKETS];
	struct qcow2_table *newest;
	struct qcow2_table *oldest;
	size_t count;
	size_t dirty;
	size_t limit; /* what qcow2_trim() leaves */
};

/* A set of cluster numbers: those of L2 tables and refcount blocks. */
struct qcow2_set {
	uint64_t *slots; /* number + 1; 0 is an empty one */
	size_t size;	 /* a power of two */
	size_t count;
};

struct qcow2_snapshot {
	struct qcow2_snapshot_info info;
	uint64_t l1_offset;
	uint32_t l1_size;
	uint32_t nanoseconds;
	uint32_t extra_len;
	uint8_t *extra; /* as it is on disk */
};

/* A cluster that nothing points to any more. */
struct qcow2_freed {
	uint64_t cluster;
	uint64_t when; /* qcow2.clock */
};

struct qcow2_req;

struct qcow2 {
	/* Set by qcow2_open. */
	int fd;	    /* borrowed; tables, through the page cache */
	char *path; /* for messages */
	bool readonly;
	bool repairing; /* errors are expected */
	bool regular;	/* a file that grows with zeros */
	unsigned int version;
	unsigned int cluster_bits;
	uint32_t cluster_size;
	unsigned int l2_bits; /* entries of an L2 table */
	unsigned int refcount_order;
	unsigned int refblock_bits; /* entries of a refcount block */
	enum qcow2_compression compression;
	char *backing;	      /* its name as in the header, or NULL */
	char *backing_format; /* or NULL: none is recorded */
	bool lazy;

	pthread_mutex_t lock;

	/* Under lock. */
	uint8_t header[QH_LENGTH]; /* as it is on disk */
	uint32_t header_length;
	uint64_t size; /* of the disk, bytes */
	uint64_t incompatible;
	uint64_t compatible;
	uint64_t autoclear;
	uint64_t bitmaps_offset; /* of their directory, if autoclear says so */
	uint64_t bitmaps_size;
	uint32_t nr_bitmaps;
	uint64_t file_size;
	bool corrupt; /* no more writes */

	uint64_t l1_offset;
	uint64_t *l1;
	uint32_t l1_size;
	uint32_t l1_from; /* entries [l1_from, l1_to) are not on disk */
	uint32_t l1_to;

	uint64_t reftable_offset;
	uint64_t *reftable;
	uint32_t reftable_size; /* entries */
	uint32_t reftable_from; /* not on disk, as above */
	uint32_t reftable_to;

	struct qcow2_snapshot *snapshots;
	uint32_t nr_snapshots;
	uint64_t snapshots_offset;
	uint32_t snapshots_bytes;

	struct qcow2_cache l2;
	struct qcow2_cache refblocks;
	struct qcow2_set tables;
	uint64_t free_hint;   /* no cluster below it is free */
	uint64_t fresh_from;  /* clusters from here on were never written */
	uint64_t packed_next; /* where compressed data can go on, or 0 */

	struct qcow2_freed *freed; /* in order of time */
	size_t nr_freed;
	size_t max_freed;
	uint64_t clock; /* counts requests and frees */

	/* Requests under way, the oldest first (qcow2_io.c). */
	struct qcow2_req *oldest;
	struct qcow2_req *newest;
	struct log_limit log;
};

/* Of a guest range: where its bytes are, all in one place. */
enum qcow2_kind {
	QCOW2_UNALLOCATED, /* as in the backing file, or zeros */
	QCOW2_ZEROS,
	QCOW2_DATA,   /* at host */
	QCOW2_PACKED, /* compressed, one cluster at most */
};

struct qcow2_extent {
	enum qcow2_kind kind;
	uint64_t len;
	uint64_t host;	 /* DATA: of the first byte; PACKED: of its data */
	uint32_t packed; /* bytes of compressed data, at most */
};

/* Where a write goes. */
struct qcow2_place {
	uint64_t len;	/* of the guest range that can be written at once */
	uint64_t host;	/* of its first byte */
	bool in_place;	/* no table changes */
	bool reused;	/* the clusters were zero clusters with a place */
	bool fresh;	/* the clusters are zeros on disk */
	uint64_t first; /* guest clusters, if not in place */
	uint64_t entry; /* of the one compressed cluster, or 0 */
	uint32_t clusters;
};

/* ---- qcow2_header.c: opening, and the header ------------------------------ */

int qcow2_read_header(struct qcow2 *q, struct error *err);
/* Writes the fixed part; what a caller wants ordered it syncs itself. */
int qcow2_write_header(struct qcow2 *q);
/* Sets or clears incompatible features on disk, synced. */
int qcow2_set_incompatible(struct qcow2 *q, uint64_t set, uint64_t clear);
/* Logs why the image is corrupt, marks it so, and returns -EIO. */
int qcow2_bad(struct qcow2 *q, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- qcow2_table.c: caches, and what is written when ---------------------- */

/* What is behind the end of the file reads as zeros.  No lock needed. */
int qcow2_pread(const struct qcow2 *q, void *buf, uint64_t len,
		uint64_t offset);
int qcow2_pwrite(struct qcow2 *q, const void *buf, uint64_t len,
		 uint64_t offset);
int qcow2_sync(const struct qcow2 *q);
/* The file is at least that long then, with zeros. */
int qcow2_extend(struct qcow2 *q, uint64_t size);

/* The table at @offset, from the cache or read; valid until qcow2_trim(). */
int qcow2_load(struct qcow2 *q, struct qcow2_cache *c, uint64_t offset,
	       struct qcow2_table **table);
/* A new one of zeros, dirty. */
int qcow2_new_table(struct qcow2 *q, struct qcow2_cache *c, uint64_t offset,
		    struct qcow2_table **table);
void qcow2_dirty(struct qcow2_cache *c, struct qcow2_table *table);
void qcow2_forget(const struct qcow2 *q, struct qcow2_cache *c,
		  uint64_t offset);
void qcow2_forget_all(const struct qcow2 *q, struct qcow2_cache *c);

void qcow2_l1_set(struct qcow2 *q, uint32_t index, uint64_t entry);
/* Writes what has changed, in order, and syncs; then frees what can be freed.
 * @full: refcounts, too, even if they are lazy. */
int qcow2_commit(struct qcow2 *q, bool full);
/* Until nothing is left to do: all tables are on disk, nothing leaks. */
int qcow2_settle(struct qcow2 *q);
/* True if a commit has anything to write. */
bool qcow2_changed(const struct qcow2 *q);
/* Brings the caches to their limits.  Ends the life of table pointers. */
int qcow2_trim(struct qcow2 *q);

int qcow2_set_add(struct qcow2_set *set, uint64_t cluster); /* 1: is there */
void qcow2_set_del(struct qcow2_set *set, uint64_t cluster);
bool qcow2_set_has(const struct qcow2_set *set, uint64_t cluster);

/* ---- qcow2_refcount.c ----------------------------------------------------- */

int qcow2_load_reftable(struct qcow2 *q, struct error *err);
uint64_t qcow2_refcount_max(const struct qcow2 *q);
int qcow2_refcount(struct qcow2 *q, uint64_t cluster, uint64_t *count);
int qcow2_refcount_add(struct qcow2 *q, uint64_t cluster, int delta);
int qcow2_refcount_set(struct qcow2 *q, uint64_t cluster, uint64_t count);
uint64_t qcow2_refblock_get(const struct qcow2 *q, const void *block,
			    uint64_t index);
void qcow2_refblock_put(const struct qcow2 *q, void *block, uint64_t index,
			uint64_t count);
/* So that @cluster, which may be in use, has a refcount; for repairs. */
int qcow2_make_block(struct qcow2 *q, uint64_t cluster);
/* Up to @want clusters in a row, at least 1 (or @least); their number. */
int qcow2_alloc(struct qcow2 *q, uint32_t want, uint32_t least,
		uint64_t *offset, bool *fresh);
/* One reference less to each, when that is safe. */
int qcow2_free_later(struct qcow2 *q, uint64_t offset, uint64_t clusters);
/* Carries out the frees that no request under way is in the way of; just
 * after a commit. */
int qcow2_free_now(struct qcow2 *q);
/* -EIO if a table is in the way. */
int qcow2_may_write(struct qcow2 *q, uint64_t offset, uint64_t len);

/* ---- qcow2_map.c ---------------------------------------------------------- */

int qcow2_load_l1(struct qcow2 *q, struct error *err);
/* A table of 64-bit numbers, in the host's byte order. */
int qcow2_read_table(const struct qcow2 *q, uint64_t offset, uint32_t entries,
		     uint64_t **table);
int qcow2_write_table(struct qcow2 *q, uint64_t offset, const uint64_t *table,
		      uint32_t from, uint32_t to);
/* The L2 table of entry @l1_entry, which is not 0. */
int qcow2_load_l2(struct qcow2 *q, uint64_t l1_entry,
		  struct qcow2_table **table);
/* Of a compressed cluster's entry */
uint64_t qcow2_packed_at(const struct qcow2 *q, uint64_t entry, uint32_t *len);
/* Calls qcow2_free_later on what an L2 entry points to. */
int qcow2_free_entry(struct qcow2 *q, uint64_t entry);

int qcow2_lookup(struct qcow2 *q, uint64_t offset, uint64_t len,
		 struct qcow2_extent *extent);
int qcow2_place(struct qcow2 *q, uint64_t offset, uint64_t len,
		struct qcow2_place *place);
/* Enters the clusters of @place into their L2 table. */
int qcow2_link(struct qcow2 *q, const struct qcow2_place *place);
/* Gives them back; nothing was entered. */
int qcow2_unplace(struct qcow2 *q, const struct qcow2_place *place);
/* Whole guest clusters, *done of them: those of one L2 table.  -EOPNOTSUPP: the
 * format cannot say that, and zeros have to be written. */
int qcow2_clear(struct qcow2 *q, uint64_t first, uint64_t clusters,
		enum qcow2_clear how, uint64_t *done);

/* ---- qcow2_resize.c ------------------------------------------------------- */

/* @l1 becomes the L1 table (and the image's, unless this fails), @size the size
 * of the disk, in one step. */
int qcow2_replace_l1(struct qcow2 *q, uint64_t *l1, uint32_t entries,
		     uint64_t size);

/* ---- qcow2_snapshot.c ----------------------------------------------------- */

int qcow2_load_snapshots(struct qcow2 *q, struct error *err);
void qcow2_free_snapshots(struct qcow2 *q);
/* Sets QCOW2_COPIED where the refcounts say so. */
int qcow2_refresh_copied(struct qcow2 *q);

/* ---- qcow2_io.c ----------------------------------------------------------- */

/* When the oldest request under way began; all is older if there is none. */
uint64_t qcow2_oldest(const struct qcow2 *q);

/* ---- qcow2_compress.c ----------------------------------------------------- */

/* Exactly a cluster comes out, or -EIO.  No lock needed. */
int qcow2_unpack(const struct qcow2 *q, void *out, const void *in, size_t len);
/* The bytes that @in was compressed to, or 0 if that saves nothing. */
size_t qcow2_pack(const struct qcow2 *q, void *out, size_t room,
		  const void *in);

static inline uint64_t qcow2_cluster_of(const struct qcow2 *q, uint64_t offset)
{
	return offset >> q->cluster_bits;
}

static inline uint64_t qcow2_clusters(const struct qcow2 *q, uint64_t bytes)
{
	return (bytes >> q->cluster_bits) +
	       ((bytes & (q->cluster_size - 1)) != 0);
}

static inline bool qcow2_aligned(const struct qcow2 *q, uint64_t offset)
{
	return !(offset & (q->cluster_size - 1));
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The contents of a disk, as bytes: a file or a block device of the host, in
 * some format.
 *
 * A writer locks the image for itself, readers share it; the lock is one of the
 * open file (fcntl(2), F_OFD_SETLK), so it ends with the process.  A block device
 * may have several nodes, and a lock holds for one: all lock the node that the
 * kernel has made of it in /dev (flock(2), as udev does), and a writer opens the
 * device with O_EXCL besides.
 *
 * Several loops may submit to one block at the same time, each with an aio of
 * its own.  There is no lock here: after block_open nothing changes but size,
 * which the main thread writes and everybody reads with block_size().  What a
 * format keeps beyond, it locks itself.
 */
#ifndef VIREO_BLOCK_BLOCK_H
#define VIREO_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "aio.h"

struct block;
struct error;

#define BLOCK_SECTOR 512

/* In the order of the words of --disk cache=. */
enum block_cache {
	BLOCK_CACHE_AUTO, /* none if the file takes O_DIRECT, or writeback */
	BLOCK_CACHE_NONE,
	BLOCK_CACHE_WRITEBACK,
	BLOCK_CACHE_WRITETHROUGH,
};

struct block_options {
	const char *path;
	int fd;	     /* what path names, to be duplicated; 0: it is opened */
	dev_t nodes; /* with fd: the file system with the nodes of devices */
	const char *format; /* raw, qcow2, auto; NULL: by the path's end */
	bool readonly;
	enum block_cache cache;
	enum aio_kind aio;
	bool shared;	    /* whoever else has it open */
	bool no_backing;    /* for who only looks at tables */
	bool for_repair;    /* even if its tables are not to be trusted */
	unsigned int depth; /* in a chain of backing files */
};

enum block_op {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD, /* the contents are undefined then */
	BLOCK_ZERO,
};

#define BLOCK_NR_OPS (BLOCK_ZERO + 1)

/* The caller's until it is submitted, and again when done is called. */
struct block_req {
	struct aio_req aio; /* for formats that pass a request on whole */
	enum block_op op;
	bool sync;	 /* WRITE, ZERO: on stable storage when done */
	bool punch;	 /* ZERO: give the space back if that is possible */
	uint64_t offset; /* and len: multiples of BLOCK_SECTOR, in the disk */
	uint64_t len;	 /* READ, WRITE: as the buffers have */
	const struct iovec *iov; /* stays until done */
	unsigned int nr_iov;
	/* In the loop that submitted; @ret is 0 or -errno. */
	void (*done)(struct block_req *req, int ret);
	struct block_req *next; /* of who holds it */
};

struct block_format {
	const char *name;
	const char *suffix; /* of the names of such images, or NULL */
	/* Is this the beginning of such an image?  NULL: cannot be told. */
	bool (*probe)(const void *head, size_t len);
	/* The fields of struct block are set; sets size and priv. */
	int (*open)(struct block *block, const struct block_options *opt,
		    struct error *err);
	/* No request is in flight. */
	void (*close)(struct block *block);
	void (*submit)(struct block *block, struct aio *aio,
		       struct block_req *req);
	/*
	 * To @size bytes, or to what the host's device has now if @size is 0;
	 * in the main thread, while requests are in flight.  Sets block->size.
	 */
	int (*resize)(struct block *block, uint64_t size, struct error *err);
};

struct block {
	const struct block_format *format;
	void *priv; /* the format's */
	char *path;
	int fd;
	int node; /* of the device, for the lock; -1: that is fd */
	bool readonly;
	bool direct;	     /* fd is O_DIRECT */
	bool device;	     /* fd is a block device */
	bool writethrough;   /* every write is to be sync */
	enum aio_kind aio;   /* what suits it */
	uint32_t align;	     /* for aio_req.align with fd */
	uint32_t block_size; /* the least that the host writes at once */
	uint64_t size;	     /* bytes, a multiple of BLOCK_SECTOR */
};

/* All there are, NULL at the end. */
extern const struct block_format *const block_formats[];
extern const struct block_format raw_format;
extern const struct block_format qcow2_format;

/* Opens, locks, and chooses what @opt leaves open. */
int block_open(struct block **block, const struct block_options *opt,
	       struct error *err);
void block_close(struct block *block);

/* Calls req->done once, possibly before it returns. */
static inline void block_submit(struct block *block, struct aio *aio,
				struct block_req *req)
{
	block->format->submit(block, aio, req);
}

static inline uint64_t block_size(const struct block *block)
{
	return __atomic_load_n(&block->size, __ATOMIC_RELAXED);
}

int block_resize(struct block *block, uint64_t size, struct error *err);

/* ---- file.c: for block.c and formats ---- */

/* Fills in path, fd and all that follows from it, but not size. */
int block_file_open(struct block *block, const struct block_options *opt,
		    struct error *err);
void block_file_close(struct block *block);
/* The bytes that the file has. */
int block_file_size(const struct block *block, uint64_t *size,
		    struct error *err);

#endif

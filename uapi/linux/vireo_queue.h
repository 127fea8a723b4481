/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Block queues served by the module: part of the ABI of /dev/vireo, included by
 * <linux/vireo.h>, whose rules hold here, too.
 *
 * A disk is a file descriptor: what is stored, how much of it the guest sees, and
 * limits that all its queues share.  A queue is a virtqueue of a virtio block
 * device (virtio 1.2, 5.2) in a VM's memory, which VIREO_MEM_MAP must have told,
 * and is served from a disk.  Between VIREO_QUEUE_ADD and VIREO_QUEUE_DEL the
 * module alone takes requests from the ring and gives them back.
 */
#ifndef _UAPI_LINUX_VIREO_QUEUE_H
#define _UAPI_LINUX_VIREO_QUEUE_H

#include <linux/types.h>

/* Flags of VIREO_DISK_CREATE. */
#define VIREO_DISK_READONLY (1U << 0)	  /* writes are I/O errors */
#define VIREO_DISK_WRITETHROUGH (1U << 1) /* each write is stable when done */

/**
 * struct vireo_disk_limits - what a disk may do (in vireo_disk_create and
 * VIREO_DISK_SET)
 * @iops: requests per second, 0: no limit
 * @iops_burst: requests that may be done at once after idling, 0: @iops / 10
 * @bps: bytes per second, 0: no limit
 * @bps_burst: likewise, in bytes
 *
 * Flushes are not limited.
 */
struct vireo_disk_limits {
	__u64 iops;
	__u64 iops_burst;
	__u64 bps;
	__u64 bps_burst;
};

/**
 * struct vireo_disk_create - make a disk (VIREO_DISK_CREATE on the device)
 * @size: size of the struct
 * @flags: VIREO_DISK_* or 0
 * @fd: a block device, or a regular file opened with O_DIRECT of a file system
 *      that can do asynchronous direct I/O by bvec; open for reading, and for
 *      writing too unless READONLY
 * @block_size: power of two from 512 to 4096, the least that is read or written:
 *              requests that are not multiples of it are I/O errors
 * @bytes: what the guest sees, a multiple of @block_size, at most what there is
 * @limits: see there
 * @serial: what GET_ID gives, padded with NULs
 * @reserved: must be 0
 *
 * Returns a file descriptor, on which VIREO_DISK_SET works.  It holds a reference
 * to @fd's file, and so does each queue to the disk's: all may be closed in any
 * order.
 *
 * Errors: EBADF, EINVAL, EACCES (@fd is not open for that), EOPNOTSUPP (a file
 * that this cannot be done with), ENOMEM, EMFILE.
 */
struct vireo_disk_create {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 block_size;
	__u64 bytes;
	struct vireo_disk_limits limits;
	char serial[20];
	__u32 reserved;
};

/* Flags of VIREO_DISK_SET: which fields count. */
#define VIREO_DISK_SET_BYTES (1U << 0)
#define VIREO_DISK_SET_LIMITS (1U << 1)

/**
 * struct vireo_disk_set - change a disk in use (VIREO_DISK_SET on a disk fd)
 * @size: size of the struct
 * @flags: VIREO_DISK_SET_*
 * @bytes: as in vireo_disk_create
 * @limits: as there
 *
 * It holds for requests that are taken afterwards.
 *
 * Errors: EINVAL.
 */
struct vireo_disk_set {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	struct vireo_disk_limits limits;
};

/* Flags of VIREO_QUEUE_ADD. */
#define VIREO_QUEUE_DOORBELL (1U << 0) /* the doorbell is told by @bell_* */
#define VIREO_QUEUE_BELL_MATCH \
	(1U << 1) /* only writes of @bell_match ring it */
#define VIREO_QUEUE_HOLD_ERRORS (1U << 2) /* see @held */

#define VIREO_QUEUE_MAX_NUM 1024 /* descriptors of a ring */
#define VIREO_QUEUE_MAX_SEGS \
	130 /* buffers of a request, header and status too */
#define VIREO_QUEUE_MAX_DISCARD (1U << 22) /* sectors of one DISCARD */
#define VIREO_QUEUE_MAX_ZERO (1U << 16)	   /* sectors of one WRITE_ZEROES */
#define VIREO_MAX_QUEUES 1024		   /* of a VM */

/**
 * struct vireo_queue_add - serve a queue (VIREO_QUEUE_ADD on a VM fd)
 * @size: size of the struct
 * @flags: VIREO_QUEUE_*
 * @disk_fd: from VIREO_DISK_CREATE
 * @num: size of the ring, 1 to VIREO_QUEUE_MAX_NUM; split: a power of two
 * @features: that the driver accepted: of the bits of virtio 1.2, 5.2.3 and 6,
 *            those that change how a ring or a request looks.  VERSION_1 must be
 *            there; those that vireo_info.queue_features does not have must
 *            not.
 *            Without VIRTIO_BLK_F_FLUSH each write is stable when it is done.
 * @desc: guest-physical address of the descriptor table (packed: the ring)
 * @avail: of the available ring (packed: of the driver's event suppression)
 * @used: of the used ring (packed: of the device's)
 * @next_avail: where the module begins to take: split: the next index, packed:
 *              as in 2.9 of virtio 1.2 (bit 15 is the wrap counter)
 * @next_used: where it begins to give back, likewise
 * @call_fd: eventfd, as a rule a KVM irqfd, signalled to interrupt the driver
 * @kick_fd: eventfd that the module listens to: whoever signals it has the queue
 *           looked at; -1: none.  One that is an ioeventfd serves guests whose
 *           doorbell cannot come here (exit path run or off)
 * @event_fd: eventfd that tells the owner that vireo_queue_state has news: the
 *            ring is broken, or a request failed; -1: none
 * @bell_bus: VIREO_BUS_*, with DOORBELL, else 0, as all of @bell_*
 * @bell_len: bytes of the doorbell, 1 to 8
 * @bell_addr: its address
 * @bell_match: with BELL_MATCH: the value
 * @held: user address of __u16[nr_held]: heads of descriptor chains that were
 *        taken before and not given back; they are done first
 * @nr_held: of them, up to @num; 0 of a packed ring, as a head does not say where
 *           a chain is
 * @index: the queue's number in its device, for statistics
 * @name: of the device, shown in debugfs; as vireo_io_add.name
 * @id: out: the queue's id
 * @reserved: must be 0
 *
 * A write to the doorbell, which only the exit path BUS knows (else EOPNOTSUPP),
 * has requests taken and submitted before the vCPU goes on; what would have to
 * wait, and what goes beyond a bound, is left to a worker.  The queue is looked at
 * once before the call returns or soon after, so that what came before it is not
 * forgotten.
 *
 * With HOLD_ERRORS a request that fails is not given back: the queue takes no more
 * requests, and event_fd is signalled; VIREO_QUEUE_DEL gives the heads of those
 * that failed.  Else it gets the status IOERR, and event_fd is signalled, too.
 *
 * Errors: EINVAL, EBADF, EFAULT (also: an address that no memory is mapped at, or
 * not all of the ring), EEXIST (the doorbell overlaps a region or doorbell),
 * ENOSPC (too many), EOPNOTSUPP (features; HOLD_ERRORS or held chains of a packed
 * ring; or no doorbell here), ENOMEM.
 */
struct vireo_queue_add {
	__u32 size;
	__u32 flags;
	__s32 disk_fd;
	__u32 num;
	__u64 features;
	__u64 desc;
	__u64 avail;
	__u64 used;
	__u16 next_avail;
	__u16 next_used;
	__s32 call_fd;
	__s32 kick_fd;
	__s32 event_fd;
	__u32 bell_bus;
	__u32 bell_len;
	__u64 bell_addr;
	__u64 bell_match;
	__u64 held;
	__u32 nr_held;
	__u32 index;
	char name[32];
	__u32 id;
	__u32 reserved;
};

/* Kinds of requests (struct vireo_queue_counts.kinds). */
#define VIREO_QUEUE_READ 0
#define VIREO_QUEUE_WRITE 1
#define VIREO_QUEUE_FLUSH 2
#define VIREO_QUEUE_DISCARD 3
#define VIREO_QUEUE_ZERO 4
#define VIREO_QUEUE_KINDS 5

/**
 * struct vireo_queue_count - what a queue has done of a kind
 * @ops: requests that ended well
 * @bytes: of the disk that they were about
 * @ns: that they took, added up
 * @failed: requests that failed, of the host or the disk, held or not
 * @invalid: that were refused: beyond the end, no multiple of the disk's blocks, or
 *           writing to a disk that is read-only
 */
struct vireo_queue_count {
	__u64 ops;
	__u64 bytes;
	__u64 ns;
	__u64 failed;
	__u64 invalid;
};

/**
 * struct vireo_queue_counts - what a queue has done since it was added
 * @kinds: by VIREO_QUEUE_READ and so on
 * @highest: the highest byte that was written, and one more
 *
 * This is for the owner, who tells it as the disk's own; VIREO_STATS has more, and
 * can be reset.
 */
struct vireo_queue_counts {
	struct vireo_queue_count kinds[VIREO_QUEUE_KINDS];
	__u64 highest;
};

/**
 * struct vireo_queue_del - stop a queue (VIREO_QUEUE_DEL on a VM fd)
 * @size: size of the struct
 * @flags: must be 0
 * @id: from vireo_queue_add
 * @timeout_ms: how long to wait for what is in flight, 0: until it is done
 * @next_avail: out: as there: where whoever goes on begins
 * @next_used: out: likewise
 * @nr_held: in: room at @held; out: heads that were put there
 * @held: user address of __u16[nr_held]
 * @reserved: must be 0
 * @counts: out: what it did in all
 *
 * When it returns 0, nothing of the queue is in flight, no vCPU and no worker is
 * in it, what was done has been given back (and call_fd signalled, if the driver
 * wants that), and the id is gone.
 *
 * Errors: ENOENT, EINVAL (also: @nr_held is less than there are), EFAULT,
 * ETIMEDOUT (something still is in flight) and EINTR: the queue takes nothing any
 * more; call again.
 */
struct vireo_queue_del {
	__u32 size;
	__u32 flags;
	__u32 id;
	__u32 timeout_ms;
	__u16 next_avail;
	__u16 next_used;
	__u32 nr_held;
	__u64 held;
	__u64 reserved;
	struct vireo_queue_counts counts;
};

/* Why a ring is broken (struct vireo_queue_state.fault). */
#define VIREO_QUEUE_OK 0
#define VIREO_QUEUE_BAD_INDEX 1	   /* more available than the ring has */
#define VIREO_QUEUE_BAD_HEAD 2	   /* a head or next beyond the table */
#define VIREO_QUEUE_BAD_CHAIN 3	   /* too long, a loop, or in the wrong order */
#define VIREO_QUEUE_BAD_LEN 4	   /* more than 2^32 bytes in all */
#define VIREO_QUEUE_BAD_ADDR 5	   /* not in memory, or not to be written */
#define VIREO_QUEUE_BAD_INDIRECT 6 /* not negotiated, nested, or its size */
#define VIREO_QUEUE_BAD_REQUEST 7  /* no header, or no place for the status */

/**
 * struct vireo_queue_state - what became of a queue (VIREO_QUEUE_STATE)
 * @size: in: size of the struct; out: size that the kernel filled
 * @flags: must be 0
 * @id: in: the queue
 * @fault: out: VIREO_QUEUE_OK or why it is broken, in which case it takes nothing
 *         any more
 * @errors: out: requests that failed, of the host or the disk
 * @error: out: errno of the last of them, or 0
 * @error_type: out: its VIRTIO_BLK_T_*
 * @error_sector: out: its first sector
 * @in_flight: out: requests
 * @held: out: requests that failed and are held
 * @counts: out: what it has done by now
 *
 * Errors: ENOENT, EINVAL, EFAULT.
 */
struct vireo_queue_state {
	__u32 size;
	__u32 flags;
	__u32 id;
	__u32 fault;
	__u64 errors;
	__u32 error;
	__u32 error_type;
	__u64 error_sector;
	__u32 in_flight;
	__u32 held;
	struct vireo_queue_counts counts;
};

#endif /* _UAPI_LINUX_VIREO_QUEUE_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's statistics: counters, the debugfs files that show them, the
 * records that VIREO_STATS gives, and trace events.  README.md describes all
 * of them.
 *
 * The objects that are counted embed a struct vireo_vm_stats, vireo_region_stats
 * or vireo_vcpu_stats and add it here; nothing in this directory knows more of
 * them than these structs say.
 *
 * Counting: each region has one struct vireo_counters for each vCPU, which only
 * the thread that runs that vCPU writes: no lock, no atomic instruction, and no
 * other thread's cache line.  vCPUs beyond those that VIREO_VM_CREATE told
 * share the last one, with atomic instructions.  Readers sum what they see: on x86-64 an
 * aligned 64-bit store is seen whole.  Resetting writes no counter: it notes
 * what they were, and readers subtract that.
 *
 * Locks:
 *
 *  vireo_stats_lock       mutex  (in stats.c) list of VMs, totals of those gone,
 *                                vireo_vcpu_stats.vm
 *   vireo_vm_stats.lock   mutex  a VM's lists, what is retired, bases
 *  vireo_mem_list_lock    mutex  (in memory.c) list of memory objects
 *
 * Nothing but the allocator's locks and what vireo_mem_stats.look() takes nests
 * inside them.
 */
#ifndef _VIREO_STATS_H
#define _VIREO_STATS_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/tracepoint-defs.h>
#include <linux/types.h>
#include <linux/vireo.h>
#include <asm/msr.h>
#include <asm/tsc.h>

struct dentry;

/* What became of an access that reached a region. */
enum vireo_outcome {
	VIREO_OUT_NO_RULE, /* passed to user space: no rule decided it */
	VIREO_OUT_SHADOW,  /* served, by type of rule */
	VIREO_OUT_CONST,
	VIREO_OUT_POST,
	VIREO_OUT_EVENT,
	VIREO_OUT_INDEXED,
	VIREO_OUT_CLOCK,
	VIREO_OUT_CLEAR,
	VIREO_OUT_RING_FULL, /* passed: the ring was full */
	VIREO_OUT_OFF,	     /* passed: the region is disabled */
	VIREO_OUT_WIDTH,     /* passed: not of 1, 2, 4 or 8 bytes */
	VIREO_NR_OUTCOMES,
};

static inline bool vireo_served(enum vireo_outcome out)
{
	return out - VIREO_OUT_SHADOW <= VIREO_OUT_CLEAR - VIREO_OUT_SHADOW;
}

/* Directions and buses, as array indices. */
#define VIREO_STATS_DIRS 2
#define VIREO_STATS_BUSES 2

/*
 * Served accesses by the time that they took: a log histogram of 32 bits of
 * the time stamp counter, so that every value has a bucket.
 */
#define VIREO_SERVED_BUCKETS 33

/**
 * struct vireo_counters - what one vCPU counts in one region
 * @n: accesses by direction (0 read, 1 write) and enum vireo_outcome
 * @ring_signals: signals of the ring's eventfd
 * @served_time: served accesses by cycles
 * @unused: makes the size a power of two, so that a shift finds a vCPU's
 *
 * All of it are u64: stats.c sums it as an array.
 */
struct vireo_counters {
	u64 n[VIREO_STATS_DIRS][VIREO_NR_OUTCOMES];
	u64 ring_signals;
	u64 served_time[VIREO_SERVED_BUCKETS];
	u64 unused[8];
} ____cacheline_aligned;

/**
 * struct vireo_region_stats - the statistics of an I/O region
 * @counters: @vcpus + 1 of them; owned
 * @vcpus: vCPUs with an id below it have counters of their own
 * @ring_peak: most posts that were in the ring at once; written under the
 *             ring's lock, and by resetting
 * @base: what @counters were when they were reset, or NULL; owned; protected by
 *        vireo_vm_stats.lock, as is @link
 * @link: in vireo_vm_stats.regions
 * @name: borrowed from the region, as is all below
 * @vm: sequence number of the VM
 * @id: the region's id
 * @bus: VIREO_BUS_*
 * @ring_entries: entries that the ring has, 0 without
 * @addr: first address
 * @len: bytes
 * @area_bytes: memory of its area
 * @enabled: whether the region serves
 */
struct vireo_region_stats {
	struct vireo_counters *counters;
	u32 vcpus;
	u32 ring_peak;
	struct vireo_counters *base;
	struct list_head link;
	const char *name;
	u64 vm;
	u32 id;
	u32 bus;
	u32 ring_entries;
	u64 addr;
	u64 len;
	u64 area_bytes;
	const bool *enabled;
};

struct vireo_vm_stats;

/**
 * struct vireo_vcpu_stats - the statistics of a vCPU that is known
 * @id: its id
 * @page: what its owner counts, and writes at any time; borrowed
 * @base: what @page was when it was reset; protected by vireo_vm_stats.lock,
 *        as is @link
 * @link: in vireo_vm_stats.known
 * @vm: its VM, until that goes
 */
struct vireo_vcpu_stats {
	u32 id;
	const struct vireo_vcpu_page *page;
	struct vireo_vcpu_page base;
	struct list_head link;
	struct vireo_vm_stats *vm;
};

/* What a queue's request is. */
enum vireo_queue_op {
	VIREO_QUEUE_OP_OTHER,
	VIREO_QUEUE_OP_READ,
	VIREO_QUEUE_OP_WRITE,
	VIREO_QUEUE_OP_FLUSH,
	VIREO_QUEUE_OP_DISCARD,
	VIREO_QUEUE_OP_ZERO,
	VIREO_QUEUE_OP_ID,
	VIREO_QUEUE_NR_OPS,
};

/* What else a queue counts. */
enum vireo_queue_counter {
	VIREO_QUEUE_BELLS,	 /* doorbells of vCPUs */
	VIREO_QUEUE_KICKS,	 /* signals of kick_fd */
	VIREO_QUEUE_INLINE,	 /* requests that a vCPU took */
	VIREO_QUEUE_WORKER,	 /* that a worker took */
	VIREO_QUEUE_SLOW,	 /* that were left to who may wait */
	VIREO_QUEUE_THROTTLED,	 /* that had to wait for limits, each time */
	VIREO_QUEUE_SIGNALS,	 /* of call_fd */
	VIREO_QUEUE_UNSIGNALLED, /* times that the driver wanted none */
	VIREO_QUEUE_NR_COUNTERS,
};

#define VIREO_QUEUE_DEPTHS 12
#define VIREO_QUEUE_BUCKETS 48

/**
 * struct vireo_queue_counters - what a queue counts
 * @ops: requests given back, by enum vireo_queue_op
 * @failed: of them those with another status than OK
 * @bytes: that were read, and written
 * @n: by enum vireo_queue_counter
 * @depth: requests by how many were in flight: bucket n for [2^(n-1), 2^n)
 * @latency: requests given back, by cycles since they were taken
 *
 * All of it are u64: queues.c sums it as an array.
 */
struct vireo_queue_counters {
	u64 ops[VIREO_QUEUE_NR_OPS];
	u64 failed[VIREO_QUEUE_NR_OPS];
	u64 bytes[2];
	u64 n[VIREO_QUEUE_NR_COUNTERS];
	u64 depth[VIREO_QUEUE_DEPTHS];
	u64 latency[VIREO_QUEUE_BUCKETS];
};

/**
 * struct vireo_queue_stats - the statistics of a queue
 * @now: written under the lock of the queue that is held where it is counted
 * @base: what @now was when it was reset; protected by vireo_vm_stats.lock, as is
 *        @link
 * @link: in vireo_vm_stats.queues
 * @name: borrowed from the queue, as is all below
 * @id: its id
 * @index: its number in its device
 * @in_flight: requests that are
 * @fault: VIREO_QUEUE_OK, or why its ring is broken
 */
struct vireo_queue_stats {
	struct vireo_queue_counters now;
	struct vireo_queue_counters base;
	struct list_head link;
	const char *name;
	u32 id;
	u32 index;
	const u32 *in_flight;
	const u8 *fault;
};

/**
 * struct vireo_slot - one vCPU of a VM, or all that share
 * @vm: the VM
 * @id: of the vCPU
 * @retired: what it counted in regions that are gone, by bus; protected by
 *           vireo_vm_stats.lock
 */
struct vireo_slot {
	struct vireo_vm_stats *vm;
	u32 id;
	struct vireo_counters retired[VIREO_STATS_BUSES];
};

/**
 * struct vireo_vm_stats - the statistics of a VM
 * @link: in the list of VMs; protected by vireo_stats_lock
 * @lock: protects what follows, up to @hidden
 * @regions: list of vireo_region_stats
 * @known: list of vireo_vcpu_stats
 * @maps: list of vireo_map_stats
 * @queues: list of vireo_queue_stats
 * @queues_gone: what queues that are gone have counted
 * @slots: @vcpus + 1 of them; owned
 * @user: what vCPUs that are known no more have counted
 * @added: regions added so far
 * @area_bytes: memory of the regions' areas
 * @hidden: what resetting took away, for the totals
 * @vcpus: vCPUs with an id below it have statistics of their own
 * @pid: the process that created the VM
 * @seq: its number since the module was loaded
 * @name: borrowed from the VM
 * @dir: the VM's directory
 */
struct vireo_vm_stats {
	struct list_head link;
	struct mutex lock;
	struct list_head regions;
	struct list_head known;
	struct list_head maps;
	struct list_head queues;
	struct vireo_queue_counters queues_gone;
	struct vireo_slot *slots;
	struct vireo_vcpu_page user;
	u64 added;
	u64 area_bytes;
	struct vireo_counters hidden[VIREO_STATS_BUSES];
	u32 vcpus;
	int pid;
	u64 seq;
	const char *name;
	struct dentry *dir;
};

/**
 * struct vireo_mem_stats - the statistics of a memory object
 * @dirtied: pages that became writable
 * @copied: pages that its snapshots hold copies of
 * @discarded: pages that were discarded
 * @look: tells what it is made of
 * @link: in the list of objects
 * @name: borrowed from the object
 * @pid: the process that created it
 * @seq: its number since the module was loaded
 */
struct vireo_mem_stats {
	atomic64_t dirtied;
	atomic64_t copied;
	atomic64_t discarded;
	void (*look)(const struct vireo_mem_stats *s,
		     struct vireo_mem_stat *stat);
	struct list_head link;
	const char *name;
	int pid;
	u64 seq;
};

/**
 * struct vireo_map_stats - a range of a VM's memory
 * @link: in vireo_vm_stats.maps; protected by vireo_vm_stats.lock
 * @gpa: guest-physical address
 * @len: bytes
 * @offset: into the object
 * @readonly: not to be written for the guest
 * @mem: the object
 */
struct vireo_map_stats {
	struct list_head link;
	u64 gpa;
	u64 len;
	u64 offset;
	bool readonly;
	const struct vireo_mem_stats *mem;
};

/* Counting.  On the path of every exit: mind each instruction. */

/* As rdtsc(), but for putting its halves together. */
static __always_inline u32 vireo_tsc32(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return low;
}

/**
 * vireo_count_begin() - an access begins
 *
 * Not ordered against what is around it: that would cost more than what is
 * measured.
 *
 * Return: for vireo_count_served().
 */
static __always_inline u32 vireo_count_begin(void)
{
#ifdef VIREO_NO_COUNT /* to measure what counting costs */
	return 0;
#else
	return vireo_tsc32();
#endif
}

/* Adds one to a counter of a vCPU's own, or to one that vCPUs share. */
static __always_inline void vireo_inc(u64 *n, bool shared)
{
	if (likely(!shared))
		++*n;
	else
		atomic64_inc((atomic64_t *)n);
}

static __always_inline void vireo_counters_serve(struct vireo_counters *c,
						 unsigned int dir,
						 unsigned long out, u32 cycles,
						 bool shared)
{
	vireo_inc(&c->n[dir][out], shared);
	/* fls(), without its branch for 0. */
	vireo_inc(&c->served_time[__fls(2UL * cycles + 1)], shared);
}

/**
 * vireo_count_served() - count an access that was served
 * @s: the region's statistics
 * @vcpu: whose access
 * @dir: 0 read, 1 write
 * @out: by what, enum vireo_outcome
 * @begin: from vireo_count_begin()
 */
static __always_inline void vireo_count_served(struct vireo_region_stats *s,
					       u32 vcpu, unsigned int dir,
					       unsigned long out, u32 begin)
{
#ifndef VIREO_NO_COUNT
	u32 cycles = vireo_tsc32() - begin;

	if (likely(vcpu < s->vcpus))
		vireo_counters_serve(&s->counters[vcpu], dir, out, cycles,
				     false);
	else
		vireo_counters_serve(&s->counters[s->vcpus], dir, out, cycles,
				     true);
#endif
}

/**
 * vireo_count_passed() - count an access that goes to user space
 * @s: the region's statistics
 * @vcpu: whose access
 * @dir: 0 read, 1 write
 * @why: VIREO_OUT_NO_RULE, RING_FULL, OFF or WIDTH
 */
static __always_inline void vireo_count_passed(struct vireo_region_stats *s,
					       u32 vcpu, unsigned int dir,
					       enum vireo_outcome why)
{
#ifndef VIREO_NO_COUNT
	if (likely(vcpu < s->vcpus))
		vireo_inc(&s->counters[vcpu].n[dir][why], false);
	else
		vireo_inc(&s->counters[s->vcpus].n[dir][why], true);
#endif
}

/**
 * vireo_count_signal() - count a signal of the ring's eventfd
 * @s: the region's statistics
 * @vcpu: whose post it was
 */
static __always_inline void vireo_count_signal(struct vireo_region_stats *s,
					       u32 vcpu)
{
	if (likely(vcpu < s->vcpus))
		vireo_inc(&s->counters[vcpu].ring_signals, false);
	else
		vireo_inc(&s->counters[s->vcpus].ring_signals, true);
}

/**
 * vireo_count_ring() - note how full the ring is
 * @s: the region's statistics
 * @used: posts in it; the caller holds the lock of the ring
 */
static __always_inline void vireo_count_ring(struct vireo_region_stats *s,
					     u32 used)
{
	if (used > READ_ONCE(s->ring_peak))
		WRITE_ONCE(s->ring_peak, used);
}

/* Regions. */

int vireo_region_stats_init(struct vireo_region_stats *s,
			    const struct vireo_vm_stats *vm);
void vireo_region_stats_destroy(struct vireo_region_stats *s);
void vireo_region_stats_add(struct vireo_vm_stats *vm,
			    struct vireo_region_stats *s);
void vireo_region_stats_del(struct vireo_vm_stats *vm,
			    struct vireo_region_stats *s);

/* vCPUs. */

void vireo_vcpu_stats_add(struct vireo_vm_stats *vm,
			  struct vireo_vcpu_stats *s);
void vireo_vcpu_stats_del(struct vireo_vcpu_stats *s);

/* Memory objects, and what VMs have of them. */

void vireo_mem_stats_add(struct vireo_mem_stats *s);
void vireo_mem_stats_del(struct vireo_mem_stats *s);
void vireo_map_stats_add(struct vireo_vm_stats *vm, struct vireo_map_stats *s);
void vireo_map_stats_del(struct vireo_vm_stats *vm, struct vireo_map_stats *s);

/* Queues. */

void vireo_queue_stats_add(struct vireo_vm_stats *vm,
			   struct vireo_queue_stats *s);
void vireo_queue_stats_del(struct vireo_vm_stats *vm,
			   struct vireo_queue_stats *s);

/* Where a lock of the queue's protects that counter. */
static inline void vireo_queue_count(struct vireo_queue_stats *s,
				     enum vireo_queue_counter n)
{
	s->now.n[n]++;
}

/* Where none does. */
static inline void vireo_queue_count_shared(struct vireo_queue_stats *s,
					    enum vireo_queue_counter n)
{
	atomic64_inc((atomic64_t *)&s->now.n[n]);
}

/* For vireo_queue_count_done(). */
static inline u64 vireo_queue_now(void)
{
	return rdtsc();
}

/* A request was taken; @in_flight, which is not 0, with it. */
static inline void vireo_queue_count_depth(struct vireo_queue_stats *s,
					   u32 in_flight)
{
	s->now.depth[min_t(u32, __fls(in_flight) + 1, VIREO_QUEUE_DEPTHS - 1)]++;
}

/* A request was given back. */
static inline void vireo_queue_count_done(struct vireo_queue_stats *s, u32 op,
					  bool ok, u64 bytes, u64 begun)
{
	u64 cycles = rdtsc() - begun;

	s->now.ops[op]++;
	if (!ok)
		s->now.failed[op]++;
	else if (op == VIREO_QUEUE_OP_READ || op == VIREO_QUEUE_OP_WRITE)
		s->now.bytes[op == VIREO_QUEUE_OP_WRITE] += bytes;
	s->now.latency[min_t(u32, fls64(cycles), VIREO_QUEUE_BUCKETS - 1)]++;
}

/* VMs. */

int vireo_vm_stats_add(struct vireo_vm_stats *s);
void vireo_vm_stats_del(struct vireo_vm_stats *s);

/* Records of VIREO_STATS. */

struct vireo_sums;

/**
 * struct vireo_record - a record of statistics
 * @data: the record
 * @len: its bytes
 * @sums: what it is made of
 */
struct vireo_record {
	void *data;
	u32 len;
	struct vireo_sums *sums;
};

int vireo_record_init(struct vireo_record *record, struct vireo_vm_stats *vm,
		      u32 what);
void vireo_record_destroy(struct vireo_record *record);
int vireo_record_fill(struct vireo_record *record, struct vireo_vm_stats *vm,
		      u32 what, u32 id, bool reset);

/*
 * Trace events.  On the path of an exit: only if
 * tracepoint_enabled(vireo_read) or (vireo_write), which is a no-op in the
 * code until somebody turns the event on.
 */

DECLARE_TRACEPOINT(vireo_read);
DECLARE_TRACEPOINT(vireo_write);

void vireo_trace_read(const struct vireo_region_stats *s, u16 vcpu, u64 addr,
		      u32 len, const void *val, enum vireo_outcome out);
void vireo_trace_write(const struct vireo_region_stats *s, u16 vcpu, u64 addr,
		       u32 len, const void *val, enum vireo_outcome out);

/* The module. */

void vireo_stats_init(const char *version, const char *exit_path,
		      const char *why);
void vireo_stats_exit(void);

#endif /* _VIREO_STATS_H */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fast rules: what some registers of a device do, told as a table.
 *
 * A device that has such registers gives its bus_range a fast_region with
 * rules in the form of <linux/vireo.h>.  The bus asks the rules first and the
 * device's read or write only for what no rule decides, so a register with a
 * rule is described once.  Where vireo.ko is loaded the same table also runs
 * inside the kernel, and most of those accesses never leave it.  Where it is
 * not, posted writes go through KVM's coalesced-PIO ring if there is one.
 *
 * fast_region_init and _destroy belong to the device's realize and unrealize.
 * The bus maps and unmaps the region together with its range, with no device
 * lock held; the shadow's contents survive that, as does being off.  Everything
 * else but fast_rules_peek is called with the device's lock (range->lock) held.
 *
 * A POST write is delivered by calling range->ops->write in the guest's order,
 * before any later access of the same device is handled.
 */
#ifndef VIREO_FASTPATH_H
#define VIREO_FASTPATH_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/vireo.h>

#include "bus.h"
#include "loop.h"

struct error;
struct mem;
struct vm;

/* The VM's connection to /dev/vireo; fd is -1 where there is none. */
struct fastpath {
	int vm_fd;
	int queue_fd; /* block queues': vm_fd, or with exit_path=off of its own */
	struct vireo_vm_create create; /* for that */
	uint32_t exit_path;	       /* VIREO_EXIT_PATH_* */
	uint64_t caps;		 /* VIREO_CAP_*; 0: the module is not used */
	uint64_t queue_features; /* that block queues in it may have */
	char why[128];		 /* what is in use and why, for a person */
};

struct fast_region {
	/* Set by the device. */
	const struct vireo_rule *rules;
	uint32_t nr_rules;
	uint32_t ring_entries; /* 0 if no rule posts */
	uint32_t shadow_pages; /* 0 is 1 */
	uint64_t post_delay;   /* how long posts may wait for more, in ns */
	/* Optional: not this one, which range->ops->write should see soon. */
	bool (*urgent)(void *dev, const struct vireo_post *post);

	/* Private to fastpath.c and fast_rules.c. */
	struct vm *vm;
	struct bus_range *range;
	uint64_t rules_end;  /* no rule covers what is at or behind this */
	uint8_t *shadow;     /* the shadow pages: own or mapped */
	uint8_t *own_shadow; /* while no kernel region is mapped; constant */
	struct vireo_ring *ring; /* NULL while there is none */
	size_t area_len;	 /* of the kernel's area, from shadow on */
	uint32_t id;
	bool off; /* decides nothing; read without the lock, too */
	bool mapped;
	bool in_kernel; /* likewise */
	bool coalesced; /* KVM queues writes to some of the registers */
	enum bus_kind bus;
	struct loop_fd wake;	/* eventfd: the ring turned non-empty */
	struct loop_timer poll; /* looks into KVM's coalesced ring */
};

/* @mode: "auto", "on" (error if absent) or "off". */
int fastpath_open(struct fastpath *fp, int kvm_vm_fd, const char *name,
		  unsigned int vcpus, const char *mode, struct error *err);
void fastpath_close(struct fastpath *fp);

/* Why guest memory cannot be the module's; NULL if it can. */
const char *fastpath_no_memory(const struct fastpath *fp);
/* Tells the module where the guest sees it, if it is the module's. */
void fastpath_map_memory(const struct fastpath *fp, const struct mem *mem);

/*
 * A vCPU (fast_vcpu.c): its thread counts exits in the page, which the module
 * shows if it is there.
 */
struct fast_vcpu {
	int fd;	   /* the module's; -1 if there is none */
	bool runs; /* it is to be run by VIREO_VCPU_RUN on fd */
	struct vireo_vcpu_page *page;
};

/* @kvm_fd: KVM's vCPU, which is mapped at @run.  0 or -ENOMEM. */
int fast_vcpu_init(struct fast_vcpu *vcpu, const struct fastpath *fp,
		   int kvm_fd, unsigned int id, void *run);
void fast_vcpu_destroy(struct fast_vcpu *vcpu);

/* The shadow pages start out as zeros; @range->fast must be @region. */
int fast_region_init(struct fast_region *region, struct vm *vm,
		     struct bus_range *range, struct error *err);
void fast_region_destroy(struct fast_region *region);

/* Called by bus_insert and bus_remove. */
int fast_region_map(struct fast_region *region, enum bus_kind bus,
		    struct error *err);
void fast_region_unmap(struct fast_region *region);

/*
 * Switches a region off, so that each access that begins afterwards comes to
 * the device's read or write, or on again.  A region starts out on.  The shadow
 * pages stay; what they say counts again once the region is on.  A write that
 * another vCPU has posted meanwhile may still come as a post.
 */
void fast_region_enable(struct fast_region *region, bool enable);

/*
 * Stores into the shadow pages, in one access each, at @off from their start,
 * which is a multiple of the width.  Where a CLEAR rule, or one with a mask,
 * covers the bytes, the guest may be changing them without the device's lock.
 */
#define FAST_SHADOW(bits)                                                    \
	static inline void fast_shadow##bits(struct fast_region *r,          \
					     uint32_t off, uint##bits##_t v) \
	{                                                                    \
		__atomic_store_n((uint##bits##_t *)(r->shadow + off), v,     \
				 __ATOMIC_RELEASE);                          \
	}
FAST_SHADOW(8)
FAST_SHADOW(16)
FAST_SHADOW(32)
FAST_SHADOW(64)
#undef FAST_SHADOW

/* Sets bits of a byte that a CLEAR rule clears, and clears some itself. */
static inline void fast_shadow_set8(struct fast_region *r, uint32_t off,
				    uint8_t bits)
{
	__atomic_fetch_or(&r->shadow[off], bits, __ATOMIC_SEQ_CST);
}

static inline void fast_shadow_clear8(struct fast_region *r, uint32_t off,
				      uint8_t bits)
{
	__atomic_fetch_and(&r->shadow[off], (uint8_t)~bits, __ATOMIC_SEQ_CST);
}

/* Delivers what the guest has posted so far; the common case is nothing. */
void fast_region_deliver(struct fast_region *region);

static inline void fast_region_drain(struct fast_region *region)
{
	struct vireo_ring *ring = region->ring;

	if (ring &&
	    ring->head != __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE))
		fast_region_deliver(region);
}

/* What the rules say a register reads as, if they do. */
struct fast_value {
	uint64_t val;
	bool known;
};

/*
 * The rules in user space (fast_rules.c).  A read that they do not know, or a
 * write for which false is returned, is the device's.  A posted write is
 * delivered at once.
 *
 * fast_rules_peek needs no lock.  It knows what has no side effect, while no
 * kernel region is mapped; if it does not, fast_rules_read may.
 */
struct fast_value fast_rules_peek(struct fast_region *region, uint64_t off,
				  unsigned int size);
struct fast_value fast_rules_read(struct fast_region *region, uint64_t off,
				  unsigned int size);
bool fast_rules_write(struct fast_region *region, uint64_t off,
		      unsigned int size, uint64_t val);

#endif

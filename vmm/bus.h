/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PIO and MMIO buses: which device answers at an address.
 *
 * Locks, in the order in which they are taken:
 *   bus.change   mutex    the table while it is changed; never held while a
 *                         device is called
 *   device lock  mutex    range->lock, given by the device and held while its
 *                         read or write runs; may be NULL; not for a read
 *                         that the range's rules know (fast_rules_peek)
 *
 * Lookup takes no lock: the table is read under a sequence count and each
 * vCPU remembers its last hit.  A range may be removed while another vCPU is
 * inside its device, which must tolerate one late access; a device that is
 * unplugged leaves memory while all vCPUs are parked (plug.h).
 */
#ifndef VIREO_BUS_H
#define VIREO_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct error;
struct fast_region;

enum bus_kind { BUS_PIO, BUS_MMIO };

/*
 * @off is from the start of the range, @size is 1, 2, 4 or 8, and the access
 * lies within the range.  Values are zero-extended, little-endian.  A reader
 * that does not know the register returns all ones.
 */
struct bus_ops {
	uint64_t (*read)(void *dev, uint64_t off, unsigned int size);
	void (*write)(void *dev, uint64_t off, unsigned int size, uint64_t val);
};

/* Owned by the device; must not change while it is inserted. */
struct bus_range {
	const char *name;
	uint64_t base;
	uint64_t len;
	const struct bus_ops *ops;
	void *dev;
	pthread_mutex_t *lock;
	struct fast_region *fast; /* rules of this range, or NULL */
};

struct bus_slot {
	uint64_t base;
	uint64_t last;
	struct bus_range *range;
};

#define BUS_MAX_RANGES 1024

struct bus {
	enum bus_kind kind;
	pthread_mutex_t change;
	uint32_t seq; /* odd while slots changes */
	uint32_t count;
	struct bus_slot slots[BUS_MAX_RANGES]; /* sorted by base */
	uint64_t unclaimed_reads;
	uint64_t unclaimed_writes;
};

/* A vCPU's memory of where it went last; private to its thread. */
struct bus_hint {
	uint32_t seq;
	struct bus_slot slot;
};

/*
 * The @size bytes of a register, 1, 2, 4 or 8.  Spelt out, as a copy of a size
 * that the compiler does not know is a call that costs more than the rest.
 */
static inline uint64_t bus_load(const void *p, unsigned int size)
{
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (size) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		memcpy(&v16, p, 2);
		return v16;
	case 4:
		memcpy(&v32, p, 4);
		return v32;
	default:
		memcpy(&v64, p, 8);
		return v64;
	}
}

static inline void bus_store(void *p, unsigned int size, uint64_t val)
{
	switch (size) {
	case 1:
		*(uint8_t *)p = (uint8_t)val;
		break;
	case 2:
		memcpy(p, &val, 2);
		break;
	case 4:
		memcpy(p, &val, 4);
		break;
	default:
		memcpy(p, &val, 8);
	}
}

void bus_init(struct bus *bus, enum bus_kind kind);
void bus_destroy(struct bus *bus);

/* -EINVAL: empty or wrapping; -EEXIST: overlaps; -ENOSPC: table is full. */
int bus_insert(struct bus *bus, struct bus_range *range, struct error *err);
void bus_remove(struct bus *bus, struct bus_range *range);

/*
 * One guest access.  An address that nobody claims reads as all ones and
 * drops writes; so does an access that crosses the end of a range.  @vcpu is
 * the index of the vCPU, for posted writes.
 */
uint64_t bus_read(struct bus *bus, struct bus_hint *hint, uint64_t addr,
		  unsigned int size);
void bus_write(struct bus *bus, struct bus_hint *hint, uint64_t addr,
	       unsigned int size, uint64_t val);

#endif

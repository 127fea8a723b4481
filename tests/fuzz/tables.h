/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Random I/O regions with random rules, and what the ABI says of them: written
 * from uapi/linux/vireo.h, not from the module.
 */
#ifndef VIREO_FUZZ_TABLES_H
#define VIREO_FUZZ_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/vireo.h>

#include "fuzz.h"

/* Where the regions are, and where guests look for them. */
#define TABLE_PIO 0x400
#define TABLE_PIO_LEN 0x40
#define TABLE_MMIO 0x10000000ULL
#define TABLE_MMIO_LEN 0x3000ULL
#define TABLE_MMIO_DENSE 0x80ULL /* most are in here */

#define TABLE_MAX_RULES 70 /* more than a region can have */

/* add.rules points to rule. */
struct table {
	struct vireo_io_add add;
	struct vireo_rule rule[TABLE_MAX_RULES];
};

/* What there is to make regions of. */
struct table_env {
	uint64_t caps;
	uint32_t max_rules;
	uint32_t max_ring;
	int event; /* an eventfd */
};

int table_env_init(struct table_env *env, int dev);

/* A valid one. */
void table_make(struct table *t, struct rng *r, const struct table_env *env);
/* Changes something, as to nonsense. */
void table_spoil(struct table *t, struct rng *r);
/* Whether VIREO_IO_ADD must take it, as far as the region alone says. */
bool table_valid(const struct table *t, const struct table_env *env);
/* Bytes of the region's shadow pages. */
uint32_t table_shadow_bytes(const struct table *t);
/* Whether a guest's access can change a byte of the shadow pages. */
bool table_changes(const struct table *t, uint32_t shadow);

#endif

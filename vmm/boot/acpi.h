/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACPI tables of the machine (ACPI 6.4). */
#ifndef VIREO_ACPI_H
#define VIREO_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acpi_params {
	unsigned int nr_cpus; /* APIC ids are 0 to nr_cpus - 1 */
	uint64_t pci_mem64_base;
	unsigned int nr_virtio_mmio; /* see virtio/mmio.h */
	bool hotplug;		     /* of PCI slots: see device/hotplug.c */
};

/*
 * Writes RSDP (at the start of @buf), FACS, DSDT, FADT, MADT, MCFG and XSDT as
 * they are to lie at @gpa in guest memory, below 4 GiB and aligned to 64 bytes.
 * Returns the bytes used or -ENOSPC; -EINVAL if there are too many processors.
 */
int acpi_build(const struct acpi_params *params, void *buf, size_t cap,
	       uint64_t gpa);

#endif

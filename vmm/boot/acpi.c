// SPDX-License-Identifier: GPL-2.0-or-later
#include "acpi.h"

#include <errno.h>
#include <string.h>

#include "aml.h"
#include "device/devices.h"
#include "device/pci.h"
#include "virtio/mmio.h"
#include "vm.h"

#define OEM_ID "VIREO "
#define OEM_TABLE_ID "VIREOPC "
#define CREATOR_ID "VREO"

#define LAPIC_BASE 0xfee00000U
#define IOAPIC_BASE 0xfec00000U
#define FW_CFG_PORT 0x510
#define PM_PORTS 0x80 /* length of the PM block at ICH9_PM_BASE */
#define LPC_SLOT 31

/* 5.2.6, table 5.27. */
struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

/* 5.2.3.2 */
struct gas {
	uint8_t space; /* 1: system I/O */
	uint8_t bits;
	uint8_t offset;
	uint8_t access; /* 1: byte, 2: word, 3: dword, 0: not said */
	uint64_t address;
} __attribute__((packed));

/* 5.2.5.3 */
struct rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t checksum_all;
	uint8_t reserved[3];
} __attribute__((packed));

/* 5.2.10 */
struct facs {
	char signature[4];
	uint32_t length;
	uint8_t other[24];
	uint8_t version;
	uint8_t reserved[31];
} __attribute__((packed));

/* 5.2.9, revision 6; names as there. */
struct fadt {
	struct header header;
	uint32_t firmware_ctrl;
	uint32_t dsdt;
	uint8_t reserved0;
	uint8_t preferred_pm_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable;
	uint8_t acpi_disable;
	uint8_t s4bios_req;
	uint8_t pstate_cnt;
	uint32_t pm1a_evt_blk;
	uint32_t pm1b_evt_blk;
	uint32_t pm1a_cnt_blk;
	uint32_t pm1b_cnt_blk;
	uint32_t pm2_cnt_blk;
	uint32_t pm_tmr_blk;
	uint32_t gpe0_blk;
	uint32_t gpe1_blk;
	uint8_t pm1_evt_len;
	uint8_t pm1_cnt_len;
	uint8_t pm2_cnt_len;
	uint8_t pm_tmr_len;
	uint8_t gpe0_blk_len;
	uint8_t gpe1_blk_len;
	uint8_t gpe1_base;
	uint8_t cst_cnt;
	uint16_t p_lvl2_lat;
	uint16_t p_lvl3_lat;
	uint16_t flush_size;
	uint16_t flush_stride;
	uint8_t duty_offset;
	uint8_t duty_width;
	uint8_t day_alrm;
	uint8_t mon_alrm;
	uint8_t century;
	uint16_t iapc_boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_firmware_ctrl;
	uint64_t x_dsdt;
	struct gas x_pm1a_evt_blk;
	struct gas x_pm1b_evt_blk;
	struct gas x_pm1a_cnt_blk;
	struct gas x_pm1b_cnt_blk;
	struct gas x_pm2_cnt_blk;
	struct gas x_pm_tmr_blk;
	struct gas x_gpe0_blk;
	struct gas x_gpe1_blk;
	struct gas sleep_control_reg;
	struct gas sleep_status_reg;
	uint64_t hypervisor_vendor;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == 36, "ACPI 6.4, 5.2.6");
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.4, 5.2.5.3");
_Static_assert(sizeof(struct facs) == 64, "ACPI 6.4, 5.2.10");
_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.4, 5.2.9");

/* IA-PC boot architecture flags (5.2.9.3). */
#define LEGACY_DEVICES (1 << 0)
#define VGA_NOT_PRESENT (1 << 2)

/* Fixed feature flags (table 5.10). */
#define WBINVD (1 << 0)
#define PROC_C1 (1 << 2)
#define SLP_BUTTON (1 << 5) /* there is no fixed sleep button */
#define FIX_RTC (1 << 6)    /* no RTC wake status in the fixed registers */
#define RESET_REG_SUP (1 << 10)

/* Latencies that say that there is no such state (p_lvl2_lat, p_lvl3_lat). */
#define NO_C2 0xffff
#define NO_C3 0xffff

static uint8_t checksum(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

static struct header table_header(const char *signature, uint8_t revision)
{
	struct header h = {
		.revision = revision,
		.oem_id = OEM_ID,
		.oem_revision = 1,
		.creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_table_id, OEM_TABLE_ID, sizeof(h.oem_table_id));
	memcpy(h.creator_id, CREATOR_ID, sizeof(h.creator_id));
	return h;
}

static size_t table_begin(struct aml *aml, const char *signature,
			  uint8_t revision)
{
	const struct header h = table_header(signature, revision);
	size_t start = aml->len;

	aml_bytes(aml, &h, sizeof(h));
	return start;
}

/* Fills in length and checksum of the table that begins at @start. */
static void table_end(struct aml *aml, size_t start)
{
	size_t len = aml->len - start;

	aml_patch(aml, start + offsetof(struct header, length), len, 4);
	if (aml->len <= aml->cap)
		aml->buf[start + offsetof(struct header, checksum)] =
			checksum(aml->buf + start, len);
}

static void hid(struct aml *aml, const char *id, unsigned int uid)
{
	aml_name(aml, "_HID");
	aml_eisaid(aml, id);
	aml_name(aml, "_UID");
	aml_int(aml, uid);
}

/*
 * Which GSI a slot's pin is wired to: _PRT (6.2.13), for all functions of each
 * slot.  The wires do not change, so there are no link devices.
 */
static void dsdt_prt(struct aml *aml)
{
	unsigned int slot, pin;
	size_t prt, route;

	aml_name(aml, "_PRT");
	prt = aml_package(aml, PCI_SLOTS * 4);
	for (slot = 0; slot < PCI_SLOTS; slot++) {
		for (pin = 0; pin < 4; pin++) {
			route = aml_package(aml, 4);
			aml_int(aml, slot << 16 | 0xffff);
			aml_int(aml, pin);
			aml_int(aml, 0);
			aml_int(aml, PCI_INTX_GSI(slot, pin));
			aml_end(aml, route);
		}
	}
	aml_end(aml, prt);
}

static void dsdt_isa_device(struct aml *aml, const char *name, const char *id,
			    uint16_t port, uint8_t len, unsigned int irq)
{
	size_t dev, crs;

	dev = aml_device(aml, name);
	hid(aml, id, 1);
	aml_name(aml, "_CRS");
	crs = aml_resources(aml);
	aml_res_io(aml, port, len);
	aml_res_irq(aml, irq);
	aml_resources_end(aml, crs);
	aml_end(aml, dev);
}

/*
 * The 8042 is left out: it is there for its reset line and has neither
 * keyboard nor mouse, so a driver that looked for them would only lose time.
 */
static void dsdt_isa(struct aml *aml)
{
	size_t isa = aml_device(aml, "ISA_");

	aml_name(aml, "_ADR");
	aml_int(aml, LPC_SLOT << 16);
	dsdt_isa_device(aml, "COM1", "PNP0501", 0x3f8, 8, 4);
	dsdt_isa_device(aml, "RTC_", "PNP0B00", 0x70, 2, 8);
	aml_end(aml, isa);
}

/* As in "S1F": its slot in hexadecimal digits. */
static void slot_name(char name[5], unsigned int slot)
{
	static const char hex[] = "0123456789ABCDEF";

	memcpy(name, "S00", 4);
	name[1] = hex[slot / 16];
	name[2] = hex[slot % 16];
}

/*
 * Slots of functions that come and go, but those of the chip set: what came, or
 * is to go, is read from the registers of device/hotplug.c, and what the
 * operating system is done with it writes there.
 */
static void dsdt_slots(struct aml *aml)
{
	static const struct {
		const char *field;
		unsigned int event; /* table 5.188: device check, eject request */
	} changes[] = { { "PCIU", 1 }, { "PCID", 3 } };
	unsigned int slot, i;
	size_t dev, mark;
	char name[5];

	aml_io_region(aml, "PCHP", HOTPLUG_PORT, HOTPLUG_LEN);
	mark = aml_fields(aml, "PCHP");
	aml_field32(aml, "PCIU");
	aml_field32(aml, "PCID");
	aml_field32(aml, "PCEJ");
	aml_end(aml, mark);

	for (slot = 1; slot < LPC_SLOT; slot++) {
		slot_name(name, slot);
		dev = aml_device(aml, name);
		aml_name(aml, "_ADR");
		aml_int(aml, slot << 16);
		aml_name(aml, "_SUN");
		aml_int(aml, slot);
		mark = aml_method(aml, "_EJ0", 1);
		aml_store_int(aml, 1U << slot, "PCEJ");
		aml_end(aml, mark);
		aml_end(aml, dev);
	}

	mark = aml_method(aml, "PCNT", 0);
	for (i = 0; i < 2; i++) {
		aml_load(aml, changes[i].field, 0);
		for (slot = 1; slot < LPC_SLOT; slot++) {
			slot_name(name, slot);
			dev = aml_if_bits(aml, 0, 1U << slot);
			aml_notify(aml, name, changes[i].event);
			aml_end(aml, dev);
		}
	}
	aml_end(aml, mark);
}

static void dsdt_gpe(struct aml *aml)
{
	size_t scope = aml_scope(aml, "\\_GPE"), method;

	method = aml_method(aml, "_E01", 0);
	aml_ref(aml, "\\_SB.PCI0.PCNT");
	aml_end(aml, method);
	aml_end(aml, scope);
}

static void dsdt_pci(struct aml *aml, const struct acpi_params *params)
{
	size_t pci, mark;

	pci = aml_device(aml, "PCI0");
	hid(aml, "PNP0A08", 0);
	aml_name(aml, "_CID");
	aml_eisaid(aml, "PNP0A03");
	aml_name(aml, "_BBN");
	aml_int(aml, 0);

	aml_name(aml, "_CRS");
	mark = aml_resources(aml);
	aml_res_window(aml, AML_WINDOW_BUS, 2, 0, PCI_ECAM_BUSES - 1);
	aml_res_io(aml, 0xcf8, 8);
	aml_res_window(aml, AML_WINDOW_IO, 2, 0, 0xcf7);
	aml_res_window(aml, AML_WINDOW_IO, 2, 0xd00, PCI_IO_END);
	aml_res_window(aml, AML_WINDOW_MEM, 4, PCI_MEM32_BASE, PCI_MEM32_END);
	aml_res_window(aml, AML_WINDOW_MEM, 8, params->pci_mem64_base,
		       params->pci_mem64_base + PCI_MEM64_SIZE - 1);
	aml_resources_end(aml, mark);

	/*
	 * _OSC (6.2.11): the operating system may control whatever it asks
	 * for, as firmware wants nothing for itself: returned unchanged.
	 */
	mark = aml_method(aml, "_OSC", 4);
	aml_return_arg(aml, 3);
	aml_end(aml, mark);

	dsdt_prt(aml);
	dsdt_isa(aml);
	if (params->hotplug)
		dsdt_slots(aml);
	aml_end(aml, pci);
}

/* Addresses that belong to the board and to no driver. */
static void dsdt_board(struct aml *aml, const struct acpi_params *params)
{
	size_t dev, crs;

	dev = aml_device(aml, "MBRD");
	hid(aml, "PNP0C02", 0);
	aml_name(aml, "_CRS");
	crs = aml_resources(aml);
	aml_res_mem32(aml, PCI_ECAM_BASE, PCI_ECAM_SIZE);
	aml_res_io(aml, ICH9_PM_BASE, PM_PORTS);
	if (params->hotplug)
		aml_res_io(aml, HOTPLUG_PORT, HOTPLUG_LEN);
	aml_resources_end(aml, crs);
	aml_end(aml, dev);

	dev = aml_device(aml, "FWCF");
	aml_name(aml, "_HID");
	aml_string(aml, "QEMU0002");
	aml_name(aml, "_CRS");
	crs = aml_resources(aml);
	aml_res_io(aml, FW_CFG_PORT, 12);
	aml_resources_end(aml, crs);
	aml_end(aml, dev);
}

static void dsdt_cpus(struct aml *aml, unsigned int nr)
{
	char name[5] = "C000";
	unsigned int i;
	size_t dev;

	for (i = 0; i < nr; i++) {
		name[2] = (char)('0' + i / 10);
		name[3] = (char)('0' + i % 10);
		dev = aml_device(aml, name);
		aml_name(aml, "_HID");
		aml_string(aml, "ACPI0007");
		aml_name(aml, "_UID");
		aml_int(aml, i);
		aml_end(aml, dev);
	}
}

/* Virtio devices on no bus, by the ID that drivers look for. */
static void dsdt_virtio(struct aml *aml, unsigned int nr)
{
	static const char hex[] = "0123456789ABCDEF";
	char name[5] = "VR00";
	unsigned int i;
	size_t dev, crs;

	for (i = 0; i < nr; i++) {
		name[2] = hex[i / 16 % 16];
		name[3] = hex[i % 16];
		dev = aml_device(aml, name);
		aml_name(aml, "_HID");
		aml_string(aml, "LNRO0005");
		aml_name(aml, "_UID");
		aml_int(aml, i);
		aml_name(aml, "_CRS");
		crs = aml_resources(aml);
		aml_res_mem32(aml, VIRTIO_MMIO_BASE(i), VIRTIO_MMIO_LEN);
		aml_res_gsi(aml, VIRTIO_MMIO_GSI(i));
		aml_resources_end(aml, crs);
		aml_end(aml, dev);
	}
}

static void dsdt(struct aml *aml, const struct acpi_params *params)
{
	size_t start, scope, s5;

	start = table_begin(aml, "DSDT", 2);
	scope = aml_scope(aml, "\\_SB");
	dsdt_pci(aml, params);
	dsdt_board(aml, params);
	dsdt_cpus(aml, params->nr_cpus);
	dsdt_virtio(aml, params->nr_virtio_mmio);
	aml_end(aml, scope);
	if (params->hotplug)
		dsdt_gpe(aml);

	/* 7.4.2: SLP_TYP for PM1a and PM1b, two reserved. */
	aml_name(aml, "\\_S5");
	s5 = aml_package(aml, 4);
	aml_int(aml, ICH9_SLP_TYP_S5);
	aml_int(aml, ICH9_SLP_TYP_S5);
	aml_int(aml, 0);
	aml_int(aml, 0);
	aml_end(aml, s5);
	table_end(aml, start);
}

static struct gas gas_io(uint16_t port, uint8_t bytes, uint8_t access)
{
	return (struct gas){
		.space = 1,
		.bits = (uint8_t)(bytes * 8),
		.access = access,
		.address = port,
	};
}

/*
 * SMI_CMD is 0 and SCI_EN always set: the machine has no legacy mode to leave.
 * Clear flags say as much as set ones: the power button is a fixed one, the PM
 * timer has 24 bits, MSI works, a CMOS RTC is there.  Only hot-plug raises a
 * general purpose event: without it, no block of them is declared for the guest
 * to clear.
 */
static void fadt(struct aml *aml, const struct acpi_params *params,
		 uint64_t facs, uint64_t dsdt_gpa)
{
	struct fadt f = {
		.header = table_header("FACP", 6),
		.minor_version = 4,
		.firmware_ctrl = (uint32_t)facs,
		.dsdt = (uint32_t)dsdt_gpa,
		.x_dsdt = dsdt_gpa,
		.sci_int = ICH9_SCI_GSI,
		.pm1a_evt_blk = ICH9_PM1_EVT,
		.pm1a_cnt_blk = ICH9_PM1_CNT,
		.pm_tmr_blk = ICH9_PM_TMR,
		.pm1_evt_len = 4,
		.pm1_cnt_len = 2,
		.pm_tmr_len = 4,
		.p_lvl2_lat = NO_C2,
		.p_lvl3_lat = NO_C3,
		.century = 0x32,
		.iapc_boot_arch = LEGACY_DEVICES | VGA_NOT_PRESENT,
		.flags = WBINVD | PROC_C1 | SLP_BUTTON | FIX_RTC |
			 RESET_REG_SUP,
		.reset_reg = gas_io(ICH9_RESET_PORT, 1, 1),
		.reset_value = ICH9_RESET_VALUE,
		.x_pm1a_evt_blk = gas_io(ICH9_PM1_EVT, 4, 2),
		.x_pm1a_cnt_blk = gas_io(ICH9_PM1_CNT, 2, 2),
		.x_pm_tmr_blk = gas_io(ICH9_PM_TMR, 4, 3),
	};
	size_t start = aml->len;

	if (params->hotplug) {
		f.gpe0_blk = ICH9_GPE0;
		f.gpe0_blk_len = ICH9_GPE0_LEN;
		f.x_gpe0_blk = gas_io(ICH9_GPE0, ICH9_GPE0_LEN, 1);
	}
	aml_bytes(aml, &f, sizeof(f));
	table_end(aml, start);
}

/* 5.2.12; the machine has the two PICs as well (flag PCAT_COMPAT). */
static void madt(struct aml *aml, unsigned int nr_cpus)
{
	size_t start = table_begin(aml, "APIC", 5);
	unsigned int i;

	aml_le(aml, LAPIC_BASE, 4);
	aml_le(aml, 1, 4);

	for (i = 0; i < nr_cpus; i++) {
		aml_le(aml, 0x0800, 2); /* local APIC, 8 bytes */
		aml_le(aml, i, 1);	/* _UID */
		aml_le(aml, i, 1);	/* APIC id */
		aml_le(aml, 1, 4);	/* enabled */
	}

	/* Its id is what KVM's has after reset; LAPICs have ids of their own */
	aml_le(aml, 0x0c01, 2); /* I/O APIC, 12 bytes */
	aml_le(aml, 0, 2);	/* id */
	aml_le(aml, IOAPIC_BASE, 4);
	aml_le(aml, 0, 4); /* first GSI */

	/* Interrupt source overrides, 10 bytes, bus ISA: the PIT is on GSI 2 */
	aml_le(aml, 0x0a02, 2);
	aml_le(aml, 0, 2); /* bus 0, IRQ 0 */
	aml_le(aml, 2, 4);
	aml_le(aml, 0, 2); /* as the bus has it: edge, high */

	/* ... and the SCI is level triggered, active high. */
	aml_le(aml, 0x0a02, 2);
	aml_le(aml, ICH9_SCI_GSI << 8, 2);
	aml_le(aml, ICH9_SCI_GSI, 4);
	aml_le(aml, 0x000d, 2);

	aml_le(aml, 0x0604, 2); /* local APIC NMI, 6 bytes */
	aml_le(aml, 0xff, 1);	/* all processors */
	aml_le(aml, 0, 2);	/* as the bus has it */
	aml_le(aml, 1, 1);	/* LINT1 */
	table_end(aml, start);
}

/* PCI Firmware Specification 3.0, 4.1.2. */
static void mcfg(struct aml *aml)
{
	size_t start = table_begin(aml, "MCFG", 1);

	aml_le(aml, 0, 8); /* reserved */
	aml_le(aml, PCI_ECAM_BASE, 8);
	aml_le(aml, 0, 2); /* segment */
	aml_le(aml, 0, 1); /* first bus */
	aml_le(aml, PCI_ECAM_BUSES - 1, 1);
	aml_le(aml, 0, 4); /* reserved */
	table_end(aml, start);
}

static void align(struct aml *aml, size_t n)
{
	while (aml->len % n)
		aml_le(aml, 0, 1);
}

int acpi_build(const struct acpi_params *params, void *buf, size_t cap,
	       uint64_t gpa)
{
	struct aml aml = { .buf = buf, .cap = cap };
	const struct facs facs = {
		.signature = { 'F', 'A', 'C', 'S' },
		.length = sizeof(facs),
		.version = 2,
	};
	struct rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem_id = OEM_ID,
		.revision = 2,
		.length = sizeof(rsdp),
	};
	uint64_t facs_gpa, dsdt_gpa, tables[3];
	size_t xsdt;

	if (!params->nr_cpus || params->nr_cpus > VM_MAX_VCPUS)
		return -EINVAL;

	aml_bytes(&aml, &rsdp, sizeof(rsdp));
	align(&aml, 64); /* as the FACS must be */
	facs_gpa = gpa + aml.len;
	aml_bytes(&aml, &facs, sizeof(facs));
	dsdt_gpa = gpa + aml.len;
	dsdt(&aml, params);
	align(&aml, 8);
	tables[0] = gpa + aml.len;
	fadt(&aml, params, facs_gpa, dsdt_gpa);
	align(&aml, 8);
	tables[1] = gpa + aml.len;
	madt(&aml, params->nr_cpus);
	align(&aml, 8);
	tables[2] = gpa + aml.len;
	mcfg(&aml);
	align(&aml, 8);
	xsdt = table_begin(&aml, "XSDT", 1);
	aml_bytes(&aml, tables, sizeof(tables));
	table_end(&aml, xsdt);
	if (aml.len > cap)
		return -ENOSPC;

	rsdp.xsdt = gpa + xsdt;
	rsdp.checksum = checksum((uint8_t *)&rsdp, 20);
	rsdp.checksum_all = checksum((uint8_t *)&rsdp, sizeof(rsdp));
	memcpy(buf, &rsdp, sizeof(rsdp));
	return (int)aml.len;
}

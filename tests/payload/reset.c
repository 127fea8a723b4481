// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Resets the machine once, by port CF9h; a byte of CMOS RAM, which survives,
 * tells the second boot from the first.  With nmi=1 on the command line it
 * does so in an NMI while another one waits; neither may survive.
 */
#include "lib.h"

#define INDEX 0x60
#define MARK 0xa5

#define APIC_ICR 0xfee00300
#define ICR_NMI_TO_SELF 0x44400 /* asserted, by the shorthand for "self" */
#define VEC_NMI 2

#define MTRR_PHYS_BASE0 0x200
#define MTRR_FIX_64K 0x250

static uint32_t counter = 41; /* initialized data: is it loaded again? */
static uint32_t zero;	      /* and is .bss cleared again? */
static uint32_t idt[VEC_NMI + 1][2];

static void nmi_to_self(void)
{
	*(volatile uint32_t *)APIC_ICR = ICR_NMI_TO_SELF;
}

static void reset(void)
{
	outb(RESET_PORT, 6);
	for (;;)
		__asm__ volatile("hlt");
}

/* Up to an IRET, which never comes, another NMI has to wait. */
static void on_nmi(void)
{
	nmi_to_self();
	reset();
}

static void take_nmis(void)
{
	const struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint32_t)idt };
	uint32_t fn = (uint32_t)on_nmi;
	uint16_t cs;

	__asm__ volatile("movw %%cs, %0" : "=r"(cs));
	idt[VEC_NMI][0] = (uint32_t)cs << 16 | (fn & 0xffff);
	idt[VEC_NMI][1] = (fn & 0xffff0000) | 0x8e00; /* interrupt gate */
	__asm__ volatile("lidt %0" : : "m"(idtr));
}

static void first_boot(uint32_t nmi)
{
	print("first boot\n");
	outb(CMOS_INDEX, INDEX);
	outb(CMOS_DATA, MARK);
	wrmsr(MTRR_PHYS_BASE0, 0xd0000006);
	wrmsr(MTRR_FIX_64K, 0x06060606);
	if (nmi) {
		take_nmis();
		nmi_to_self();
		for (;;)
			__asm__ volatile("hlt");
	}
	reset();
}

void main(const struct start_info *info)
{
	uint8_t mark;

	outb(CMOS_INDEX, INDEX);
	mark = inb(CMOS_DATA);
	if (++counter != 42 || zero++) {
		print("FAIL: memory was not loaded again\n");
		return;
	}
	if (mark != MARK)
		first_boot(option(info, "nmi", 0));
	outb(CMOS_INDEX, INDEX);
	outb(CMOS_DATA, 0);
	if (rdmsr(MTRR_PHYS_BASE0) || rdmsr(MTRR_FIX_64K)) {
		print("FAIL: the MTRRs are as they were\n");
		return;
	}
	print("second boot\n");
}

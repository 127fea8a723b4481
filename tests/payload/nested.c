// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a guest of its own, by AMD's SVM, and lets that reset the machine; a byte
 * of CMOS RAM, which survives, tells the second boot from the first.  The
 * formats: AMD APM vol. 2, 15.5 and appendix B.
 */
#include "lib.h"

#define INDEX 0x61
#define MARK 0x5a

#define CPUID_SVM (1U << 2) /* leaf 0x80000001, ECX */
#define MSR_EFER 0xc0000080
#define EFER_SVME (1U << 12)
#define MSR_VM_HSAVE_PA 0xc0010117

#define CR0_PE 1U
#define CR0_ET (1U << 4)
#define CR0_PG (1U << 31)
#define CR4_PSE (1U << 4)
#define PDE_4M 0x83 /* present, writable, large */

/* Words of the control block. */
#define VMCB_INTERCEPT (0x10 / 4)
#define INTERCEPT_VMRUN 1U
#define VMCB_ASID (0x58 / 4)
#define VMCB_EXIT (0x70 / 4)
#define VMCB_ES (0x400 / 4)
#define VMCB_CS (0x410 / 4)
#define VMCB_SS (0x420 / 4)
#define VMCB_DS (0x430 / 4)
#define VMCB_EFER (0x4d0 / 4)
#define VMCB_CR0 (0x558 / 4)
#define VMCB_DR7 (0x560 / 4)
#define VMCB_DR6 (0x568 / 4)
#define VMCB_RFLAGS (0x570 / 4)
#define VMCB_RIP (0x578 / 4)
#define VMCB_RSP (0x5d8 / 4)
#define ATTR_CODE 0xc9b /* 32 bits, up to 4 GiB */
#define ATTR_DATA 0xc93

static uint32_t vmcb[1024] __attribute__((aligned(4096)));
static uint32_t host_save[1024] __attribute__((aligned(4096)));
static uint32_t pages[1024] __attribute__((aligned(4096)));
static uint32_t stack[256] __attribute__((aligned(16)));

static uint32_t has_svm(void)
{
	uint32_t a = 0x80000001, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c & CPUID_SVM;
}

/* In the inner guest, which is let do all that this one may. */
static void inner(void)
{
	for (;;)
		outb(RESET_PORT, 6);
}

static void set_segment(uint32_t *segment, uint32_t attr)
{
	segment[0] = attr << 16 | 8;
	segment[1] = 0xffffffff;
}

static void fill_vmcb(void)
{
	vmcb[VMCB_INTERCEPT] = INTERCEPT_VMRUN; /* there is no way without */
	vmcb[VMCB_ASID] = 1;
	set_segment(&vmcb[VMCB_CS], ATTR_CODE);
	set_segment(&vmcb[VMCB_DS], ATTR_DATA);
	set_segment(&vmcb[VMCB_ES], ATTR_DATA);
	set_segment(&vmcb[VMCB_SS], ATTR_DATA);
	vmcb[VMCB_EFER] = EFER_SVME;
	vmcb[VMCB_CR0] = CR0_PE | CR0_ET;
	vmcb[VMCB_DR6] = 0xffff0ff0;
	vmcb[VMCB_DR7] = 0x400;
	vmcb[VMCB_RFLAGS] = 2;
	vmcb[VMCB_RIP] = (uint32_t)inner;
	vmcb[VMCB_RSP] = (uint32_t)&stack[256];
}

/* KVM takes VMRUN only from a guest that has paging. */
static void enable_paging(void)
{
	uint32_t v;

	for (v = 0; v < 1024; v++)
		pages[v] = v << 22 | PDE_4M;
	__asm__ volatile("movl %%cr4, %0" : "=r"(v));
	__asm__ volatile("movl %0, %%cr4" : : "r"(v | CR4_PSE));
	__asm__ volatile("movl %0, %%cr3" : : "r"(pages));
	__asm__ volatile("movl %%cr0, %0" : "=r"(v));
	__asm__ volatile("movl %0, %%cr0" : : "r"(v | CR0_PG) : "memory");
}

static void first_boot(void)
{
	print("first boot\n");
	outb(CMOS_INDEX, INDEX);
	outb(CMOS_DATA, MARK);
	enable_paging();
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, (uint32_t)host_save);
	fill_vmcb();
	__asm__ volatile("vmrun"
			 :
			 : "a"(vmcb)
			 : "ebx", "ecx", "edx", "esi", "edi", "memory", "cc");
	print("FAIL: VMRUN ended with exit ");
	print_hex(vmcb[VMCB_EXIT], 8);
	print("\n");
}

void main(const struct start_info *info)
{
	(void)info;
	if (!has_svm()) {
		print("no SVM\n");
		return;
	}
	outb(CMOS_INDEX, INDEX);
	if (inb(CMOS_DATA) != MARK) {
		first_boot();
		return;
	}
	outb(CMOS_INDEX, INDEX);
	outb(CMOS_DATA, 0);
	if (rdmsr(MSR_EFER) & EFER_SVME || rdmsr(MSR_VM_HSAVE_PA)) {
		print("FAIL: SVM is as it was\n");
		return;
	}
	print("second boot\n");
}

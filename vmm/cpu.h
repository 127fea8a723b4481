/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of an x86-64 processor as people and debuggers see it, in the
 * names of the manuals, and what a debugger asks of one.
 */
#ifndef VIREO_CPU_H
#define VIREO_CPU_H

#include <stdbool.h>
#include <stdint.h>

#define CR0_PE (1ULL << 0)
#define CR0_PG (1ULL << 31)
#define CR4_PSE (1ULL << 4)
#define CR4_PAE (1ULL << 5)
#define CR4_LA57 (1ULL << 12)
#define EFER_LMA (1ULL << 10)
#define RFLAGS_VM (1ULL << 17)

/* In the order of their numbers in instructions. */
enum cpu_gpr {
	CPU_RAX,
	CPU_RCX,
	CPU_RDX,
	CPU_RBX,
	CPU_RSP,
	CPU_RBP,
	CPU_RSI,
	CPU_RDI,
	CPU_R8, /* to R15 */
	CPU_NR_GPRS = 16,
};

enum cpu_seg {
	CPU_ES,
	CPU_CS,
	CPU_SS,
	CPU_DS,
	CPU_FS,
	CPU_GS,
	CPU_LDTR,
	CPU_TR,
	CPU_NR_SEGS,
};

struct cpu_segment {
	uint64_t base;
	uint32_t limit;
	uint16_t selector;
	/* As the descriptor has them: type to P in bits 0-7, AVL to G in 12-15 */
	uint16_t attributes;
	bool unusable;
};

#define CPU_SEG_LONG (1U << 13) /* of the attributes */
#define CPU_SEG_DB (1U << 14)

struct cpu_table {
	uint64_t base;
	uint16_t limit;
};

struct cpu_regs {
	uint64_t gpr[CPU_NR_GPRS];
	uint64_t rip;
	uint64_t rflags;
	struct cpu_segment seg[CPU_NR_SEGS];
	struct cpu_table gdt;
	struct cpu_table idt;
	uint64_t cr0;
	uint64_t cr2;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t cr8;
	uint64_t efer;
	uint64_t kernel_gs_base;
	bool halted;
	bool waits; /* for another processor to start it */
	/* x87 and SSE, as FXSAVE stores them */
	uint16_t fcw;
	uint16_t fsw;
	uint8_t ftw; /* one bit for each register that is not empty */
	uint16_t fop;
	uint64_t fip;
	uint64_t fdp;
	uint32_t mxcsr;
	uint8_t st[8][16];
	uint8_t xmm[16][16];
};

/* ---- debugging ---- */

/* Numbered as in DR7. */
enum cpu_watch {
	CPU_WATCH_EXEC = 0,
	CPU_WATCH_WRITE = 1,
	CPU_WATCH_ACCESS = 3,
};

/* What a host can stop a guest at; bits. */
enum cpu_can {
	CPU_CAN_INT3 = 1,
	CPU_CAN_EXEC = 2,  /* debug registers, for code */
	CPU_CAN_WATCH = 4, /* and for data */
	CPU_CAN_STEP = 8,
	CPU_CAN_ALL = 15,
};

#define CPU_NR_WATCHES 4
#define CPU_MAX_BREAKPOINTS 512

/* Addresses are linear.  Changed only while no vCPU runs. */
struct cpu_debug {
	/* Where the debugger has put INT3s; the guest's own go to the guest. */
	uint64_t int3[CPU_MAX_BREAKPOINTS];
	unsigned int nr_int3;
	/* Debug registers; the length is 1, 2, 4 or 8, the address aligned. */
	struct {
		uint64_t addr;
		uint8_t len;
		enum cpu_watch kind;
	} watch[CPU_NR_WATCHES];
	unsigned int nr_watches;
};

struct cpu_hit {
	enum {
		CPU_HIT_NONE,
		CPU_HIT_INT3,
		CPU_HIT_WATCH,
		CPU_HIT_STEP,
	} kind;
	unsigned int watch; /* the index of the one that was hit */
};

#endif

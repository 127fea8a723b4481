// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"
#include "guest.h"

/* Guest-physical layout. */
#define CODE 0x1000U
#define PML4 0x2000U
#define PDPT 0x3000U
#define PD 0x4000U
#define SCRIPTS 0x10000U
#define SCRIPT(vcpu) \
	(SCRIPTS + (vcpu) * (GUEST_MAX_OPS + 1) * sizeof(struct guest_op))

/*
 * The guest's code: position-independent, no stack.  In rsi the step; its
 * code indexes a table of offsets.
 */
extern const char guest_code[], guest_code_end[];
asm(".pushsection .rodata\n"
    ".macro body kind, insn:vararg\n"
    "\\kind:\n"
    "99:	\\insn\n"
    "	dec %ecx\n"
    "	jnz 99b\n"
    ".endm\n"
    ".macro rd kind, insn:vararg\n"
    "	body \\kind, \\insn\n"
    "	mov %rax, 16(%rsi)\n"
    "	jmp 2f\n"
    ".endm\n"
    ".macro wr kind, insn:vararg\n"
    "	body \\kind, \\insn\n"
    "	jmp 2f\n"
    ".endm\n"
    ".macro str kind, from, to, insn:vararg\n"
    "\\kind: mov %rsi, %r8\n"
    "	mov \\from, %rsi\n"
    "	mov \\to, %rdi\n"
    "	rep \\insn\n"
    "	mov %r8, %rsi\n"
    "	jmp 2f\n"
    ".endm\n"
    "guest_code:\n"
    "1:	mov (%rsi), %eax\n"
    "	mov 4(%rsi), %ecx\n"
    "	mov 8(%rsi), %rdx\n"
    "	mov 16(%rsi), %rbx\n"
    "	lea 9f(%rip), %rdi\n"
    "	movslq (%rdi,%rax,4), %rax\n"
    "	add %rax, %rdi\n"
    "	xor %eax, %eax\n"
    "	jmp *%rdi\n"
    "g_end:	hlt\n"
    "	jmp 1b\n"
    "g_again: mov %rdx, %rsi\n"
    "	jmp 1b\n"
    "rd g_in1, in %dx, %al\n"
    "rd g_in2, in %dx, %ax\n"
    "rd g_in4, in %dx, %eax\n"
    "g_out1: mov %rbx, %rax\n"
    "wr g_out1_, out %al, %dx\n"
    "g_out2: mov %rbx, %rax\n"
    "wr g_out2_, out %ax, %dx\n"
    "g_out4: mov %rbx, %rax\n"
    "wr g_out4_, out %eax, %dx\n"
    "rd g_read1, mov (%rdx), %al\n"
    "rd g_read2, mov (%rdx), %ax\n"
    "rd g_read4, mov (%rdx), %eax\n"
    "rd g_read8, mov (%rdx), %rax\n"
    "wr g_write1, mov %bl, (%rdx)\n"
    "wr g_write2, mov %bx, (%rdx)\n"
    "wr g_write4, mov %ebx, (%rdx)\n"
    "wr g_write8, mov %rbx, (%rdx)\n"
    "str g_outs1, %rbx, %rdi, outsb\n"
    "str g_outs2, %rbx, %rdi, outsw\n"
    "str g_outs4, %rbx, %rdi, outsl\n"
    "str g_ins1, %rsi, %rbx, insb\n"
    "str g_ins2, %rsi, %rbx, insw\n"
    "str g_ins4, %rsi, %rbx, insl\n"
    "str g_store1, %rbx, %rdx, movsb\n"
    "str g_store2, %rbx, %rdx, movsw\n"
    "str g_store4, %rbx, %rdx, movsl\n"
    "str g_store8, %rbx, %rdx, movsq\n"
    "str g_load1, %rdx, %rbx, movsb\n"
    "str g_load2, %rdx, %rbx, movsw\n"
    "str g_load4, %rdx, %rbx, movsl\n"
    "str g_load8, %rdx, %rbx, movsq\n"
    "wr g_add1, addb %bl, (%rdx)\n"
    "wr g_add2, addw %bx, (%rdx)\n"
    "wr g_add4, addl %ebx, (%rdx)\n"
    "wr g_add8, addq %rbx, (%rdx)\n"
    "2:	add $24, %rsi\n"
    "	jmp 1b\n"
    ".balign 4\n"
    "9:	.long g_end - 9b, 0, 0, 0\n"
    "	.long g_in1 - 9b, g_in2 - 9b, g_in4 - 9b, 0\n"
    "	.long g_out1 - 9b, g_out2 - 9b, g_out4 - 9b, 0\n"
    "	.long g_read1 - 9b, g_read2 - 9b, g_read4 - 9b, g_read8 - 9b\n"
    "	.long g_write1 - 9b, g_write2 - 9b, g_write4 - 9b, g_write8 - 9b\n"
    "	.long g_outs1 - 9b, g_outs2 - 9b, g_outs4 - 9b, 0\n"
    "	.long g_ins1 - 9b, g_ins2 - 9b, g_ins4 - 9b, 0\n"
    "	.long g_again - 9b, 0, 0, 0\n"
    "	.long g_store1 - 9b, g_store2 - 9b, g_store4 - 9b, g_store8 - 9b\n"
    "	.long g_load1 - 9b, g_load2 - 9b, g_load4 - 9b, g_load8 - 9b\n"
    "	.long g_add1 - 9b, g_add2 - 9b, g_add4 - 9b, g_add8 - 9b\n"
    "guest_code_end:\n"
    ".popsection\n");

static void put64(struct guest *g, uint32_t at, uint64_t v)
{
	memcpy(g->mem + at, &v, sizeof(v));
}

static int set_registers(int vcpu)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1,
		.s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1,
		.s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return -errno;
	s.cr0 = 0x80000011;	/* PG, ET, PE */
	s.cr3 = PML4;
	s.cr4 = 0x20;		/* PAE */
	s.efer = 0x500;		/* LMA, LME */
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	return ioctl(vcpu, KVM_SET_SREGS, &s) ? -errno : 0;
}

static int set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *c;
	const int max = 256;
	int ret = 0;

	c = calloc(1, sizeof(*c) + max * sizeof(c->entries[0]));
	if (!c)
		return -ENOMEM;
	c->nent = max;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c) ||
	    ioctl(vcpu, KVM_SET_CPUID2, c))
		ret = -errno;
	free(c);
	return ret;
}

static int add_vcpu(struct guest *g, int kvm)
{
	int i = g->nr_vcpus;
	int ret;

	g->vcpu[i] = ioctl(g->vm, KVM_CREATE_VCPU, i);
	if (g->vcpu[i] < 0)
		return -errno;
	g->run[i] = mmap(NULL, g->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 g->vcpu[i], 0);
	if (g->run[i] == MAP_FAILED) {
		ret = -errno;
		close(g->vcpu[i]);
		return ret;
	}
	g->runner[i] = g->vcpu[i];
	g->nr_vcpus++;
	ret = set_cpuid(kvm, g->vcpu[i]);
	return ret ? ret : set_registers(g->vcpu[i]);
}

static void fill_memory(struct guest *g)
{
	uint64_t i;

	memcpy(g->mem + CODE, guest_code, guest_code_end - guest_code);
	put64(g, PML4, PDPT | 3);
	put64(g, PDPT, PD | 3);
	for (i = 0; i < 512; i++)
		put64(g, PD + i * 8, i << 21 | 0x83);
}

int guest_create(struct guest *g, int nr_vcpus)
{
	struct kvm_userspace_memory_region slot = { .memory_size = GUEST_MEM };
	int kvm, ret = 0;

	memset(g, 0, sizeof(*g));
	g->vm = -1;
	g->run_cmd = KVM_RUN;
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		return -errno;
	g->mem = mmap(NULL, GUEST_MEM, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill_memory(g);
	slot.userspace_addr = (uintptr_t)g->mem;

	g->run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	g->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (g->vm < 0 || ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &slot))
		ret = -errno;
	while (!ret && g->nr_vcpus < nr_vcpus)
		ret = add_vcpu(g, kvm);
	close(kvm);
	if (ret)
		guest_destroy(g);
	return ret;
}

void guest_destroy(struct guest *g)
{
	int i;

	for (i = 0; i < g->nr_vcpus; i++) {
		munmap(g->run[i], g->run_size);
		if (g->runner[i] != g->vcpu[i])
			close(g->runner[i]);
		close(g->vcpu[i]);
	}
	if (g->vm >= 0)
		close(g->vm);
	munmap(g->mem, GUEST_MEM);
}

int guest_vcpu_create(struct guest *g, int vm, int vcpu)
{
	struct vireo_vcpu_create create = {
		.size = sizeof(create),
		.vcpu_fd = g->vcpu[vcpu],
		.id = vcpu,
		.run = (uintptr_t)g->run[vcpu],
	};

	return IOCTL(vm, VIREO_VCPU_CREATE, &create);
}

int guest_attach(struct guest *g, int dev, int vm)
{
	int i, fd, path = exit_path(dev);

	if (path != VIREO_EXIT_PATH_RUN)
		return path < 0 ? path : 0;
	for (i = 0; i < g->nr_vcpus; i++) {
		fd = guest_vcpu_create(g, vm, i);
		if (fd < 0)
			return fd;
		g->runner[i] = fd;
	}
	g->run_cmd = VIREO_VCPU_RUN;
	return 0;
}

struct guest_op *guest_script(struct guest *g, int vcpu)
{
	return (struct guest_op *)(g->mem + SCRIPT(vcpu));
}

struct guest_op *guest_add(struct guest *g, int vcpu, enum guest_kind kind,
			   int width, uint64_t addr, uint64_t data)
{
	struct guest_op *op;

	if (g->nr_ops[vcpu] == GUEST_MAX_OPS)
		abort();
	op = guest_script(g, vcpu) + g->nr_ops[vcpu]++;
	op->code = kind * 4 + __builtin_ctz(width);
	op->repeat = 1;
	op->addr = kind == GUEST_AGAIN ? SCRIPT(vcpu) : addr;
	op->data = data;
	op[1].code = GUEST_END;
	return op;
}

void guest_reset(struct guest *g)
{
	memset(g->nr_ops, 0, sizeof(g->nr_ops));
	g->nr_exits = 0;
}

static void log_exit(struct guest *g, const struct guest_exit *e)
{
	int i;

	if (g->on_exit)
		g->on_exit(g, e);
	i = __atomic_fetch_add(&g->nr_exits, 1, __ATOMIC_RELAXED);
	if (i < GUEST_MAX_LOG)
		g->exits[i] = *e;
}

static void serve_io(struct guest *g, int vcpu)
{
	struct kvm_run *run = g->run[vcpu];
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	struct guest_exit e = {
		.addr = run->io.port, .vcpu = vcpu, .width = run->io.size,
		.write = run->io.direction == KVM_EXIT_IO_OUT,
		.count = run->io.count,
	};

	if (e.write)
		memcpy(&e.data, data, e.width);
	else
		memset(data, GUEST_USER_BYTE, e.width * e.count);
	log_exit(g, &e);
}

static void serve_mmio(struct guest *g, int vcpu)
{
	struct kvm_run *run = g->run[vcpu];
	struct guest_exit e = {
		.addr = run->mmio.phys_addr, .vcpu = vcpu, .mmio = true,
		.width = run->mmio.len, .write = run->mmio.is_write,
		.count = 1,
	};

	if (e.write)
		memcpy(&e.data, run->mmio.data, e.width);
	else
		memset(run->mmio.data, GUEST_USER_BYTE, e.width);
	log_exit(g, &e);
}

int guest_restart(struct guest *g, int vcpu)
{
	struct kvm_regs regs = {
		.rip = CODE, .rsi = SCRIPT(vcpu), .rflags = 2,
	};

	return ioctl(g->vcpu[vcpu], KVM_SET_REGS, &regs) ? -errno : 0;
}

int guest_serve(struct guest *g, int vcpu)
{
	switch (g->run[vcpu]->exit_reason) {
	case KVM_EXIT_IO:
		serve_io(g, vcpu);
		return 0;
	case KVM_EXIT_MMIO:
		serve_mmio(g, vcpu);
		return 0;
	}
	return -EPROTO;
}

int guest_run(struct guest *g, int vcpu)
{
	int ret;

	if (!g->nr_ops[vcpu])
		return 0;
	ret = guest_restart(g, vcpu);
	while (!ret) {
		if (ioctl(g->runner[vcpu], g->run_cmd, 0)) {
			/* The module's bound on served accesses. */
			ret = errno == EAGAIN ? 0 : -errno;
			continue;
		}
		if (g->run[vcpu]->exit_reason == KVM_EXIT_HLT)
			break;
		ret = guest_serve(g, vcpu);
	}
	return ret;
}

uint64_t guest_access(struct guest *g, enum guest_kind kind, int width,
		      uint64_t addr, uint64_t data, bool *passed)
{
	struct guest_op *op;

	guest_reset(g);
	op = guest_add(g, 0, kind, width, addr, data);
	if (guest_run(g, 0))
		abort();
	if (passed)
		*passed = g->nr_exits;
	return op->data;
}

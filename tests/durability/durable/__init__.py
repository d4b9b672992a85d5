"""What the durability tests share: an oracle, scenarios, a nursery of processes, a disk that loses power."""

def answer(x):
    return (1000000, 500000, 500000)

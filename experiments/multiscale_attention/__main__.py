from experiments.multiscale_attention.experiment import main

if __name__ == "__main__":
    main()
